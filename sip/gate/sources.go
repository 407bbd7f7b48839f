package gate

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// maxSources bounds the strangers told apart in a minute; the others are
	// summed up under the zero address.
	maxSources = 1000
	// answersPerSource and answersAll bound the refusals sent in a minute.
	answersPerSource = 5
	answersAll       = 3000
	// maxAdmitted bounds the addresses let in by name, admitFor their stay.
	maxAdmitted = 10_000
	admitFor    = 10 * time.Minute
)

// Summary is what one stranger sent within a minute.
type Summary struct {
	// Addr is the zero address for strangers beyond the first thousand.
	Addr        netip.Addr
	Reason      string
	Count       int
	First, Last time.Time
}

// sources knows who is at the door.
type sources struct {
	report func(Summary)

	mu        sync.Mutex
	minute    time.Time
	strangers map[netip.Addr]*Summary
	answered  int
	rejected  uint64 // since the start
	guests    map[netip.Addr]time.Time
}

func newSources(report func(Summary)) *sources {
	return &sources{report: report, strangers: map[netip.Addr]*Summary{}, guests: map[netip.Addr]time.Time{}}
}

// reject counts a stranger's message and tells whether it may be answered.
func (s *sources) reject(addr netip.Addr, reason string, now time.Time) bool {
	s.mu.Lock()
	over := s.turn(now)
	e := s.strangers[addr]
	if e == nil {
		if len(s.strangers) >= maxSources {
			addr = netip.Addr{}
			e = s.strangers[addr]
		}
		if e == nil {
			e = &Summary{Addr: addr, Reason: reason, First: now}
			s.strangers[addr] = e
		}
	}
	e.Count++
	e.Last = now
	s.rejected++
	may := addr.IsValid() && e.Count <= answersPerSource && s.answered < answersAll
	if may {
		s.answered++
	}
	s.mu.Unlock()
	s.send(over)
	return may
}

// turn begins another minute, giving the summaries of the last one.
func (s *sources) turn(now time.Time) map[netip.Addr]*Summary {
	minute := now.Truncate(time.Minute)
	if minute.Equal(s.minute) {
		return nil
	}
	over := s.strangers
	s.minute, s.answered, s.strangers = minute, 0, map[netip.Addr]*Summary{}
	return over
}

func (s *sources) send(summaries map[netip.Addr]*Summary) {
	if s.report == nil {
		return
	}
	for _, e := range summaries {
		s.report(*e)
	}
}

func (s *sources) flush() {
	s.mu.Lock()
	over := s.turn(time.Now())
	s.mu.Unlock()
	s.send(over)
}

func (s *sources) flushAll() {
	s.mu.Lock()
	over := s.strangers
	s.strangers = map[netip.Addr]*Summary{}
	s.mu.Unlock()
	s.send(over)
}

func (s *sources) admit(addr netip.Addr) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.guests) >= maxAdmitted {
		for a, until := range s.guests {
			if until.Before(now) {
				delete(s.guests, a)
			}
		}
	}
	if len(s.guests) < maxAdmitted {
		s.guests[addr] = now.Add(admitFor)
	}
}

func (s *sources) admitted(addr netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	until, ok := s.guests[addr]
	return ok && time.Now().Before(until)
}
