package rating

import (
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/wire"
)

// Start is what is known of when a call is answered: between FromUS and ToUS, in
// microseconds of UTC. Only terms with switches ask for it.
type Start struct{ FromUS, ToUS int64 }

// Reserve is what a hold of ms milliseconds must cover: the most that the call can
// cost whenever it starts, and the attempt's fee, should nobody answer.
func Reserve(t *wire.Terms, s Start, ms int64) (money.Amount, error) {
	amount, _, err := ReserveBeyond(t, s, ms, 0)
	return amount, err
}

// ReserveBeyond is Reserve for a call that a package may pay up to packageS seconds
// of, and how many of them it pays.
func ReserveBeyond(t *wire.Terms, s Start, ms, packageS int64) (amount money.Amount, seconds int64, err error) {
	p, err := worst(t, s, ms, packageS)
	if err != nil || t.AttemptFeeMicro == 0 {
		return p.Gross, p.Package, err
	}
	fee, err := Attempt(t)
	return max(p.Gross, fee.Gross), p.Package, err
}

// LongestFrom is the longest talk time of at most capMS milliseconds whose gross
// price is not above available; 0 when not even the shortest billable time is,
// or an attempt's fee. The call is answered within a span of time. Prices never
// fall with time, so the answer also covers every shorter call.
func LongestFrom(t *wire.Terms, s Start, available money.Amount, capMS int64) (int64, error) {
	return LongestBeyond(t, s, available, 0, capMS)
}

// LongestBeyond is LongestFrom for a call that a package may pay up to packageS
// seconds of.
func LongestBeyond(t *wire.Terms, s Start, available money.Amount, packageS, capMS int64) (int64, error) {
	whole, _, err := ReserveBeyond(t, s, capMS, packageS)
	if err != nil {
		return 0, err
	}
	if whole <= available {
		return capMS, nil
	}
	// Prices change only where an increment ends, so the search counts increments.
	shortest, step := ShortestMS(t), int64(t.IntervalNextS)*1000
	if shortest >= capMS {
		return 0, nil
	}
	low, high := int64(-1), (capMS-shortest)/step+1 // low is affordable, high is not
	for high-low > 1 {
		mid := (low + high) / 2
		cost, _, err := ReserveBeyond(t, s, min(shortest+mid*step, MaxSeconds*1000), packageS)
		if err != nil {
			return 0, err
		}
		if cost <= available {
			low = mid
		} else {
			high = mid
		}
	}
	if low < 0 {
		return 0, nil
	}
	return min(shortest+low*step, capMS), nil
}
