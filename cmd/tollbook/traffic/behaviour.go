package traffic

import (
	"math/rand/v2"
	"strings"
	"time"
)

// Behaviour is what a vendor does with a call.
type Behaviour struct {
	// PDD passes between the INVITE and the first response above 100.
	PDD time.Duration
	// Early sends 183 with audio in the place of 180.
	Early bool
	// Ring passes between that and the answer.
	Ring time.Duration
	// Code is the final response: 200 answers, 0 never comes (the caller has to
	// cancel), any other refuses after the PDD, without ringing unless Ring is
	// set.
	Code int
	// HangUpAfter is when the vendor hangs up first, counted from the answer; 0
	// leaves it to the caller.
	HangUpAfter time.Duration
}

// Answer rings and answers.
func Answer(pdd, ring time.Duration) Behaviour { return Behaviour{PDD: pdd, Ring: ring, Code: 200} }

// Refuse gives a final code such as 404, 486 or 503.
func Refuse(pdd time.Duration, code int) Behaviour { return Behaviour{PDD: pdd, Code: code} }

// NoAnswer rings until the caller gives up.
func NoAnswer(pdd time.Duration) Behaviour { return Behaviour{PDD: pdd} }

// Rule gives a behaviour to the called numbers that begin with Prefix.
type Rule struct {
	Prefix string
	Behaviour
}

// Share gives a behaviour to Weight in the sum of all weights of the calls.
type Share struct {
	Weight int
	Behaviour
}

// choose takes the first rule that matches, then draws from the mix. Without
// either it answers at once.
func choose(called string, rules []Rule, mix []Share, random *rand.Rand) Behaviour {
	for _, r := range rules {
		if strings.HasPrefix(called, r.Prefix) {
			return r.Behaviour
		}
	}
	sum := 0
	for _, s := range mix {
		sum += max(s.Weight, 0)
	}
	if sum == 0 {
		return Answer(0, 0)
	}
	n := random.IntN(sum)
	for _, s := range mix {
		if n -= max(s.Weight, 0); n < 0 {
			return s.Behaviour
		}
	}
	return Answer(0, 0) // not reached: n is below the sum
}

// reason is the phrase and the Q.850 cause (RFC 3398, section 8.2.6.1) that go
// with a refusal.
func reason(code int) (phrase string, cause int) {
	switch code {
	case 404:
		return "Not Found", 1
	case 480:
		return "Temporarily Unavailable", 18
	case 484:
		return "Address Incomplete", 28
	case 486:
		return "Busy Here", 17
	case 488:
		return "Not Acceptable Here", 88
	case 500:
		return "Server Internal Error", 41
	case 503:
		return "Service Unavailable", 34
	case 603:
		return "Decline", 21
	default:
		return "Refused", 31
	}
}
