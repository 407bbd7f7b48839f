package money

import (
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"strings"
)

// Wide is an unsigned 128-bit number: products of rates and seconds before they
// are rounded.
type Wide struct{ Hi, Lo uint64 }

// WideOf multiplies two unsigned numbers exactly.
func WideOf(a, b uint64) Wide {
	hi, lo := bits.Mul64(a, b)
	return Wide{hi, lo}
}

// Plus is the sum; it must fit 128 bits, which prices within MaxRate over a
// year of seconds do by far.
func (w Wide) Plus(v Wide) Wide {
	lo, carry := bits.Add64(w.Lo, v.Lo, 0)
	hi, over := bits.Add64(w.Hi, v.Hi, carry)
	if over != 0 {
		panic("money: a 128-bit sum overflowed")
	}
	return Wide{hi, lo}
}

// Times is the product with a number; it must fit 128 bits.
func (w Wide) Times(n uint64) Wide {
	over, hi := bits.Mul64(w.Hi, n)
	carry, lo := bits.Mul64(w.Lo, n)
	hi, c := bits.Add64(hi, carry, 0)
	if over != 0 || c != 0 {
		panic("money: a 128-bit product overflowed")
	}
	return Wide{hi, lo}
}

// Div divides, giving the whole part and the rest.
func (w Wide) Div(d uint64) (quotient Wide, rest uint64) {
	qHi := w.Hi / d
	qLo, rest := bits.Div64(w.Hi%d, w.Lo, d)
	return Wide{qHi, qLo}, rest
}

// IsZero tells whether w is 0.
func (w Wide) IsZero() bool { return w == Wide{} }

// Less tells whether w is smaller than v.
func (w Wide) Less(v Wide) bool { return w.Hi < v.Hi || w.Hi == v.Hi && w.Lo < v.Lo }

// Int is the number as one without bounds.
func (w Wide) Int() *big.Int {
	n := new(big.Int).SetUint64(w.Hi)
	n.Lsh(n, 64)
	return n.Or(n, new(big.Int).SetUint64(w.Lo))
}

// Exact writes w divided by d without loss: as a decimal number where one
// exists, otherwise as a reduced fraction.
func (w Wide) Exact(d uint64) string {
	if w.Hi == 0 {
		if text, ok := exactSmall(w.Lo, d); ok {
			return text
		}
	}
	r := new(big.Rat).SetFrac(w.Int(), new(big.Int).SetUint64(d))
	places, finite := r.FloatPrec()
	if !finite {
		return r.RatString()
	}
	return strings.TrimSuffix(r.FloatString(places), ".")
}

// exactSmall is Exact in 64 bits, which is nearly always enough and on the way of
// every charge. It is false where a product does not fit.
func exactSmall(n, d uint64) (string, bool) {
	g := n
	for rest := d; rest != 0; {
		g, rest = rest, g%rest
	}
	n, d = n/g, d/g
	twos, fives, rest := 0, 0, d
	for ; rest%2 == 0; rest /= 2 {
		twos++
	}
	for ; rest%5 == 0; rest /= 5 {
		fives++
	}
	if rest != 1 { // another factor than 2 and 5: no decimal number ends
		return strconv.FormatUint(n, 10) + "/" + strconv.FormatUint(d, 10), true
	}
	places := max(twos, fives)
	for range places { // n·10^places is a multiple of d
		hi, lo := bits.Mul64(n, 10)
		if hi != 0 {
			return "", false
		}
		n = lo
	}
	if n/d > math.MaxInt64 {
		return "", false
	}
	if places == 0 {
		return strconv.FormatUint(n/d, 10), true
	}
	return FormatDecimal(int64(n/d), places), true
}

// Rounding says what happens to what lies below the last place that is kept.
type Rounding uint8

// The rounding modes.
const (
	HalfUp Rounding = iota
	Up
	Down
	HalfEven
)

// Round divides w by d, keeping whole steps of the quotient, and rounds the rest
// once by the given mode. The quotient must fit an Amount.
func (w Wide) Round(d uint64, mode Rounding) (int64, bool) {
	q, rest := w.Div(d)
	if q.Hi != 0 || q.Lo >= uint64(MaxAmount) {
		return 0, false
	}
	n := int64(q.Lo)
	switch {
	case rest == 0 || mode == Down:
	case mode == Up:
		n++
	case rest > d-rest, rest == d-rest && (mode == HalfUp || n%2 == 1):
		n++
	}
	return n, true
}

// RoundInt is Round for numbers beyond 128 bits; neither may be negative.
func RoundInt(n, d *big.Int, mode Rounding) (int64, bool) {
	q, rest := new(big.Int).QuoRem(n, d, new(big.Int))
	if !q.IsInt64() || q.Int64() >= int64(MaxAmount) {
		return 0, false
	}
	out := q.Int64()
	half := rest.Lsh(rest, 1).Cmp(d)
	switch {
	case rest.Sign() == 0 || mode == Down:
	case mode == Up, half > 0, half == 0 && (mode == HalfUp || out%2 == 1):
		out++
	}
	return out, true
}
