package money_test

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/tollbook/tollbook/events/money"
)

func toBig(w money.Wide) *big.Int {
	n := new(big.Int).SetUint64(w.Hi)
	return n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(w.Lo))
}

func wides(t *rapid.T, name string) money.Wide {
	edge := rapid.SampledFrom([]uint64{0, 1, 1 << 63, 1<<64 - 1})
	word := rapid.OneOf(edge, rapid.Uint64())
	return money.Wide{Hi: word.Draw(t, name+" high"), Lo: word.Draw(t, name+" low")}
}

// panics reports whether fn did.
func panics(fn func()) (did bool) {
	defer func() { did = recover() != nil }()
	fn()
	return false
}

func TestWideAgainstBig(t *testing.T) {
	limit := new(big.Int).Lsh(big.NewInt(1), 128)
	rapid.Check(t, func(t *rapid.T) {
		a, b := wides(t, "a"), wides(t, "b")
		n := rapid.OneOf(rapid.SampledFrom([]uint64{0, 1, 2_000_000, 1<<64 - 1}), rapid.Uint64()).Draw(t, "n")

		sum := new(big.Int).Add(toBig(a), toBig(b))
		if fits := sum.Cmp(limit) < 0; fits && toBig(a.Plus(b)).Cmp(sum) != 0 || !fits && !panics(func() { a.Plus(b) }) {
			t.Fatalf("%v + %v is not %v", a, b, sum)
		}
		product := new(big.Int).Mul(toBig(a), new(big.Int).SetUint64(n))
		if fits := product.Cmp(limit) < 0; fits && toBig(a.Times(n)).Cmp(product) != 0 || !fits && !panics(func() { a.Times(n) }) {
			t.Fatalf("%v * %d is not %v", a, n, product)
		}
		if w := money.WideOf(a.Lo, n); toBig(w).Cmp(new(big.Int).Mul(new(big.Int).SetUint64(a.Lo), new(big.Int).SetUint64(n))) != 0 {
			t.Fatalf("%d * %d is not %v", a.Lo, n, w)
		}
		if a.Less(b) != (toBig(a).Cmp(toBig(b)) < 0) || a.IsZero() != (toBig(a).Sign() == 0) {
			t.Fatalf("%v and %v", a, b)
		}
		if n == 0 {
			return
		}
		q, rest := a.Div(n)
		back := new(big.Int).Mul(toBig(q), new(big.Int).SetUint64(n))
		if back.Add(back, new(big.Int).SetUint64(rest)).Cmp(toBig(a)) != 0 || rest >= n {
			t.Fatalf("%v / %d is not %v rest %d", a, n, q, rest)
		}
		exact, ok := new(big.Rat).SetString(a.Exact(n))
		if !ok || exact.Cmp(new(big.Rat).SetFrac(toBig(a), new(big.Int).SetUint64(n))) != 0 {
			t.Fatalf("%v / %d is not %s", a, n, a.Exact(n))
		}
	})
}

// rounded is the textbook's rounding of a/d.
func rounded(a *big.Int, d uint64, mode money.Rounding) *big.Int {
	by := new(big.Int).SetUint64(d)
	q, rest := new(big.Int).QuoRem(a, by, new(big.Int))
	half := new(big.Int).Lsh(rest, 1).Cmp(by)
	up := map[money.Rounding]bool{
		money.Up:       rest.Sign() > 0,
		money.Down:     false,
		money.HalfUp:   half >= 0,
		money.HalfEven: half > 0 || half == 0 && q.Bit(0) == 1,
	}[mode]
	if up {
		q.Add(q, big.NewInt(1))
	}
	return q
}

func TestRoundAgainstBig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.OneOf(rapid.SampledFrom([]uint64{1, 2, 3, 10, 1 << 63, 1<<64 - 1}), rapid.Uint64Range(1, 1<<40)).Draw(t, "d")
		// Around whole and half quotients, and anywhere.
		w := money.WideOf(rapid.Uint64Range(0, 1<<20).Draw(t, "q"), d).Plus(money.Wide{
			Lo: rapid.SampledFrom([]uint64{0, 1, d / 2, d/2 + 1, d - 1}).Draw(t, "rest"),
		})
		if rapid.Bool().Draw(t, "anywhere") {
			w = wides(t, "w")
		}
		for _, mode := range []money.Rounding{money.HalfUp, money.Up, money.Down, money.HalfEven} {
			want := rounded(toBig(w), d, mode)
			got, ok := w.Round(d, mode)
			fits := new(big.Int).Quo(toBig(w), new(big.Int).SetUint64(d)).Cmp(big.NewInt(int64(money.MaxAmount))) < 0
			if ok != fits || ok && want.Cmp(big.NewInt(got)) != 0 {
				t.Fatalf("%v / %d in mode %d: %d, %v, want %v", w, d, mode, got, ok, want)
			}
		}
	})
}

func TestExactText(t *testing.T) {
	for _, c := range []struct {
		w    money.Wide
		d    uint64
		want string
	}{
		{money.Wide{Lo: 12}, 1, "12"},
		{money.Wide{Lo: 1}, 4, "0.25"},
		{money.Wide{Lo: 2}, 6, "1/3"},
		{money.Wide{}, 7, "0"},
		{money.Wide{Hi: 1}, 1, "18446744073709551616"},
	} {
		if got := c.w.Exact(c.d); got != c.want {
			t.Errorf("%v / %d: %s, want %s", c.w, c.d, got, c.want)
		}
	}
}

// The short way of Exact gives the text that big rationals give.
func TestExactTextIsThatOfRationals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64().Draw(t, "n")
		d := rapid.SampledFrom([]uint64{1, 3, 7, 8, 60, 1000, 60_000, 6_000_000, 60_000_000_000, 1 << 40}).Draw(t, "d")
		r := new(big.Rat).SetFrac(new(big.Int).SetUint64(n), new(big.Int).SetUint64(d))
		want := r.RatString()
		if places, finite := r.FloatPrec(); finite {
			want = r.FloatString(places)
		}
		if got := (money.Wide{Lo: n}).Exact(d); got != want {
			t.Fatalf("%d / %d: %s, want %s", n, d, got, want)
		}
	})
}
