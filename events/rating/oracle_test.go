package rating_test

import (
	"math/big"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

// The oracle prices a call by the textbook, in fractions of units: it shares no
// code with the package, and goes second by second where the package divides.

type oracle struct {
	billed, first   int64
	net, tax, gross *big.Rat
	exact           *big.Rat
}

func frac(n, d int64) *big.Rat { return big.NewRat(n, d) }

func ask(t *wire.Terms, ms int64) oracle {
	seconds := ms / 1000
	if ms%1000 != 0 {
		seconds++
	}
	if seconds == 0 {
		seconds = 1
	}
	zero := oracle{net: new(big.Rat), tax: new(big.Rat), gross: new(big.Rat), exact: new(big.Rat)}
	if seconds <= int64(t.FreeS) {
		return zero
	}
	o := oracle{first: int64(t.IntervalFirstS)}
	for o.billed = o.first; o.billed < seconds-int64(t.FreeS); {
		o.billed += int64(t.IntervalNextS)
	}
	p := new(big.Rat).Mul(frac(t.PriceFirstNano, 1e9), frac(o.first, 60))
	p.Add(p, new(big.Rat).Mul(frac(t.PriceNextNano, 1e9), frac(o.billed-o.first, 60)))
	p.Add(p, frac(t.ConnectFeeMicro, 1e6))
	if least := frac(t.MinimumMicro, 1e6); p.Cmp(least) < 0 {
		p = least
	}
	o.exact = p
	rate := new(big.Rat).Add(frac(1, 1), frac(int64(t.TaxPpm), 1e6))
	net, gross := p, new(big.Rat).Mul(p, rate)
	if t.TaxInclusive {
		net, gross = new(big.Rat).Quo(p, rate), p
	}
	o.net, o.gross = place(net, t), place(gross, t)
	o.tax = new(big.Rat).Sub(o.gross, o.net)
	return o
}

// place rounds to the deck's decimals.
func place(x *big.Rat, t *wire.Terms) *big.Rat {
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(min(t.Decimals, 6))), nil)
	scaled := new(big.Rat).Mul(x, new(big.Rat).SetInt(scale))
	floor := new(big.Int).Quo(scaled.Num(), scaled.Denom()) // never negative
	rest := new(big.Rat).Sub(scaled, new(big.Rat).SetInt(floor))
	half := rest.Cmp(frac(1, 2))
	up := half >= 0
	switch t.Rounding {
	case wire.RoundingMode_ROUNDING_MODE_UP:
		up = rest.Sign() > 0
	case wire.RoundingMode_ROUNDING_MODE_DOWN:
		up = false
	case wire.RoundingMode_ROUNDING_MODE_HALF_EVEN:
		up = half > 0 || half == 0 && floor.Bit(0) == 1
	}
	if up {
		floor.Add(floor, big.NewInt(1))
	}
	return new(big.Rat).SetFrac(floor, scale)
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// randomTerms draws terms that lie on the edges more often than chance has it.
func randomTerms(r *rand.Rand) *wire.Terms {
	rate := func() int64 {
		return pick(r, 0, 1, 12_000_000, 9_000_000_000_000, r.Int64N(1_000_000_000), r.Int64N(9_000_000_000_001), 60_000, 30_000_000)
	}
	fee := func() int64 { return pick(r, 0, 0, 1, 5000, r.Int64N(10_000_000)) }
	interval := func() uint32 { return pick(r, 1, 1, 6, 30, 60, uint32(1+r.IntN(400)), 86_400) }
	return &wire.Terms{
		PriceFirstNano: rate(), PriceNextNano: rate(), IntervalFirstS: interval(), IntervalNextS: interval(),
		FreeS:           pick(r, 0, 0, 0, 1, 5, 60, uint32(r.IntN(300))),
		ConnectFeeMicro: fee(), AttemptFeeMicro: fee(), MinimumMicro: fee(),
		Rounding: wire.RoundingMode(r.IntN(5)), Decimals: uint32(r.IntN(7)),
		TaxPpm: pick(r, 0, 0, 190_000, 200_000, 1, 1_000_000, uint32(r.IntN(1_000_001))), TaxInclusive: r.IntN(2) == 0,
	}
}

// randomMS draws talk times, around the terms' own boundaries above all.
func randomMS(r *rand.Rand, t *wire.Terms) int64 {
	free, first, next := int64(t.FreeS)*1000, int64(t.IntervalFirstS)*1000, int64(t.IntervalNextS)*1000
	near := pick(r, 0, free, free+first, free+first+next*r.Int64N(50), r.Int64N(7_200_000), r.Int64N(rating.MaxSeconds*1000))
	return min(max(0, near+pick[int64](r, 0, 1, -1, 999, 1000, 1001, -999, -1000)), rating.MaxSeconds*1000)
}

// cases is how many random cases the oracle judges: TOLLBOOK_ORACLE_CASES.
func cases(t testing.TB) int {
	s := os.Getenv("TOLLBOOK_ORACLE_CASES")
	if s == "" {
		return 20_000
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("TOLLBOOK_ORACLE_CASES: %v", err)
	}
	return n
}

func micro(a int64) *big.Rat { return frac(a, 1e6) }

func judge(t *testing.T, terms *wire.Terms, ms int64) {
	t.Helper()
	if err := rating.CheckTerms(terms); err != nil {
		t.Fatalf("%v: %v", terms, err)
	}
	got, err := rating.Call(terms, ms)
	if err != nil {
		t.Fatalf("%v over %d ms: %v", terms, ms, err)
	}
	want := ask(terms, ms)
	exact, ok := new(big.Rat).SetString(got.Exact())
	switch {
	case got.Billed != want.billed || got.First != want.first:
		t.Fatalf("%v over %d ms: %d s billed, %d of them first; want %d and %d", terms, ms, got.Billed, got.First, want.billed, want.first)
	case micro(int64(got.Net)).Cmp(want.net) != 0 || micro(int64(got.Gross)).Cmp(want.gross) != 0 || micro(int64(got.Tax)).Cmp(want.tax) != 0:
		t.Fatalf("%v over %d ms: net %s tax %s gross %s; want %s, %s and %s", terms, ms, got.Net, got.Tax, got.Gross,
			want.net.FloatString(9), want.tax.FloatString(9), want.gross.FloatString(9))
	case !ok || exact.Cmp(want.exact) != 0:
		t.Fatalf("%v over %d ms: exactly %s; want %s", terms, ms, got.Exact(), want.exact.RatString())
	case got.Tax < 0 || got.Net+got.Tax != got.Gross:
		t.Fatalf("%v over %d ms: %+v does not add up", terms, ms, got)
	}
}

func TestOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 18))
	for range cases(t) {
		terms := randomTerms(r)
		ms := randomMS(r, terms)
		if terms.IntervalNextS < 6 && ms > 3*3600*1000 {
			ms %= 3 * 3600 * 1000 // the oracle counts one by one
		}
		judge(t, terms, ms)
	}
}

// TestOracleOnEdges tries every mode and number of decimals at every edge.
func TestOracleOnEdges(t *testing.T) {
	for mode := range wire.RoundingMode(5) {
		for decimals := range uint32(7) {
			for _, inclusive := range []bool{false, true} {
				for _, ms := range []int64{0, 1, 999, 1000, 1001, 29_999, 30_000, 30_001, 36_000, 36_001, 60_000, 90_500} {
					for _, free := range []uint32{0, 1, 30} {
						judge(t, &wire.Terms{
							PriceFirstNano: 123_456_789, PriceNextNano: 25_000_000, IntervalFirstS: 30, IntervalNextS: 6, FreeS: free,
							ConnectFeeMicro: 1500, MinimumMicro: 80_000, Rounding: mode, Decimals: decimals, TaxPpm: 190_000, TaxInclusive: inclusive,
						}, ms)
					}
				}
			}
		}
	}
}

func TestAttemptAgainstOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		terms := randomTerms(r)
		got, err := rating.Attempt(terms)
		if err != nil {
			t.Fatal(err)
		}
		// An attempt costs what a call would whose only price is that fee.
		want := ask(&wire.Terms{
			IntervalFirstS: 1, IntervalNextS: 1, ConnectFeeMicro: terms.AttemptFeeMicro, Rounding: terms.Rounding,
			Decimals: terms.Decimals, TaxPpm: terms.TaxPpm, TaxInclusive: terms.TaxInclusive,
		}, 1)
		if micro(int64(got.Gross)).Cmp(want.gross) != 0 || micro(int64(got.Net)).Cmp(want.net) != 0 {
			t.Fatalf("%v: %+v, want %s", terms, got, want.gross)
		}
	}
}
