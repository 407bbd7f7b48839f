package b2bua

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// seeds is how many calls are made up: TOLLBOOK_SEEDS, or a thousand.
// TOLLBOOK_SEED plays a single one.
func seeds(t *testing.T) (from, to uint64) {
	t.Helper()
	number := func(name string) uint64 {
		n, err := strconv.ParseUint(os.Getenv(name), 10, 64)
		if err != nil && os.Getenv(name) != "" {
			t.Fatal(err)
		}
		return n
	}
	if one := number("TOLLBOOK_SEED"); one > 0 {
		return one, one
	}
	if n := number("TOLLBOOK_SEEDS"); n > 0 {
		return 1, n
	}
	return 1, 1000
}

// TestRaces plays calls that are made up, over a network that loses, doubles and
// reorders. Whatever happens each leg is on record once, the charge is right, and
// nothing is left: no call, no hold, no goroutine.
func TestRaces(t *testing.T) {
	engine := media(t)
	from, to := seeds(t)
	for seed := from; seed <= to; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 0))
			p := drawPlan(rng)
			var f faults
			if rng.IntN(4) > 0 {
				f = faults{lose: rng.IntN(20), double: rng.IntN(20), delay: rng.IntN(20)}
			}
			if p.merged {
				f.lose = 0 // else one of the two may come when the call is over, and be another
			}
			play(t, engine, seed, f, p, nil)
		})
		if t.Failed() {
			t.Fatalf("seed %d: TOLLBOOK_SEED=%d TOLLBOOK_TRACE=1 go test ./sip/b2bua -run TestRaces", seed, seed)
		}
	}
}
