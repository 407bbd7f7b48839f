package traffic

import (
	"math/rand/v2"
	"strings"
	"time"
)

// Numbers is a kind of telephone number.
type Numbers struct {
	// Prefix begins the number, as it is written in the SIP URI; a + is kept.
	Prefix string
	// Length is the number of characters in all; random digits fill it up.
	Length int
	// Weight is its share in the sum of all weights; 0 counts as 1.
	Weight int
}

// Plan is what a customer decides about one call before placing it.
type Plan struct {
	Called, Caller string
	// Duration is how long the caller talks before hanging up.
	Duration time.Duration
	// Patience is how long the caller waits for an answer before cancelling.
	Patience time.Duration
	// Pause passes before the next call.
	Pause time.Duration
}

// planner draws plans. Each takes its random numbers in the same order, so the
// same seed gives the same plans whatever becomes of the calls.
type planner struct {
	config CustomerConfig
	random *rand.Rand
}

func newPlanner(c CustomerConfig) *planner {
	return &planner{config: c, random: rand.New(rand.NewPCG(c.Seed, 0))}
}

func (p *planner) next() Plan {
	c := p.config
	plan := Plan{Called: p.number(c.Called), Caller: p.number(c.Callers), Patience: c.Patience}
	plan.Duration = min(max(p.exponential(c.MeanDuration), c.MinDuration), c.MaxDuration)
	impatient, after := p.random.IntN(100), p.random.Float64()
	if impatient < c.CancelPercent {
		plan.Patience = time.Duration(after * float64(c.CancelWithin))
	}
	plan.Pause = min(p.exponential(c.Every), 10*c.Every)
	return plan
}

func (p *planner) exponential(mean time.Duration) time.Duration {
	return time.Duration(p.random.ExpFloat64() * float64(mean))
}

func (p *planner) number(kinds []Numbers) string {
	sum := 0
	for _, k := range kinds {
		sum += max(k.Weight, 1)
	}
	at, kind := p.random.IntN(sum), Numbers{}
	for _, kind = range kinds {
		if at -= max(kind.Weight, 1); at < 0 {
			break
		}
	}
	var number strings.Builder
	number.WriteString(kind.Prefix)
	for number.Len() < min(kind.Length, maxDigits) {
		number.WriteByte('0' + byte(p.random.IntN(10)))
	}
	return number.String()
}

// maxDigits bounds a number's length.
const maxDigits = 32
