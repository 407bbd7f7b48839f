package b2bua

import (
	"time"

	"github.com/emiago/sipgo/sip"
)

// mostRest bounds how long a terminator is left out for its Retry-After.
const mostRest = 5 * time.Minute

// rest leaves a terminator out for as long as its refusal asks (RFC 3261, section
// 21.5.4), within bounds.
func (s *Switch) rest(terminator string, res *sip.Response) {
	after := first(res, "Retry-After")
	for i, r := range after {
		if r < '0' || r > '9' {
			after = after[:i] // a comment or parameters
			break
		}
	}
	wait := min(deltaSeconds(after), mostRest)
	if res.StatusCode != 503 || wait <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resting[terminator] = s.now().Mono + wait
}

// Rests tells whether a terminator asked to be left alone for now.
func (s *Switch) Rests(terminator string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	until, ok := s.resting[terminator]
	if ok && s.now().Mono >= until {
		delete(s.resting, terminator)
		ok = false
	}
	return ok
}
