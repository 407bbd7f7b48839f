package rating_test

import (
	"math/big"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

// The oracle prices a call by the textbook, in fractions of units: it shares no
// code with the package, and goes second by second where the package divides.

type oracle struct {
	billed, first   int64
	covered         int64 // seconds that the package paid
	net, tax, gross *big.Rat
	exact           *big.Rat
	// converted is the exact price in the account's currency; deckNet and deckGross
	// are rounded in the deck's.
	converted, deckNet, deckGross *big.Rat
}

func frac(n, d int64) *big.Rat { return big.NewRat(n, d) }

func ask(t *wire.Terms, startUS, ms, packageS int64) oracle {
	seconds := ms / 1000
	if ms%1000 != 0 {
		seconds++
	}
	if seconds == 0 {
		seconds = 1
	}
	zero := oracle{net: new(big.Rat), tax: new(big.Rat), gross: new(big.Rat), exact: new(big.Rat),
		converted: new(big.Rat), deckNet: new(big.Rat), deckGross: new(big.Rat)}
	if seconds <= int64(t.FreeS) {
		return zero
	}
	o := oracle{first: int64(t.IntervalFirstS)}
	// spent are the seconds at each price, without those that the package pays.
	spent := map[int64]int64{}
	spend := func(price, s int64) {
		for ; s > 0 && o.covered < packageS; s-- {
			o.covered++
		}
		spent[price] += s
	}
	begin := startUS + int64(t.FreeS)*1e6
	first, _ := priceAt(t, begin)
	spend(first, o.first)
	for o.billed = o.first; o.billed < seconds-int64(t.FreeS); {
		_, next := priceAt(t, begin+o.billed*1e6)
		spend(next, int64(t.IntervalNextS))
		o.billed += int64(t.IntervalNextS)
	}
	if o.covered == o.billed {
		zero.billed, zero.first, zero.covered = o.billed, o.first, o.covered
		return zero
	}
	p := new(big.Rat)
	for price, s := range spent {
		p.Add(p, new(big.Rat).Mul(frac(price, 1e9), frac(s, 60)))
	}
	p.Add(p, frac(t.ConnectFeeMicro, 1e6))
	if least := frac(t.MinimumMicro, 1e6); p.Cmp(least) < 0 {
		p = least
	}
	o.exact = p
	o.deckNet, o.deckGross = taxed(p, t)
	o.net, o.gross, o.converted = o.deckNet, o.deckGross, p
	if t.AccountCurrency != "" {
		o.converted = new(big.Rat).Mul(p, frac(t.ExchangeE12, 1e12))
		o.net, o.gross = taxed(o.converted, t)
	}
	o.tax = new(big.Rat).Sub(o.gross, o.net)
	return o
}

// priceAt are the prices in force at an instant: those of the last switch before.
func priceAt(t *wire.Terms, us int64) (first, next int64) {
	first, next = t.PriceFirstNano, t.PriceNextNano
	for _, s := range t.Switches {
		if s.AtUs <= us {
			first, next = s.PriceFirstNano, s.PriceNextNano
		}
	}
	return first, next
}

// taxed are the net and gross amounts of a price.
func taxed(p *big.Rat, t *wire.Terms) (*big.Rat, *big.Rat) {
	rate := new(big.Rat).Add(frac(1, 1), frac(int64(t.TaxPpm), 1e6))
	net, gross := p, new(big.Rat).Mul(p, rate)
	if t.TaxInclusive {
		net, gross = new(big.Rat).Quo(p, rate), p
	}
	return place(net, t), place(gross, t)
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

// most is what no amount may reach.
var most = frac(int64(money.MaxAmount), 1e6)

func judge(t *testing.T, terms *wire.Terms, start, ms, packageS int64) {
	t.Helper()
	if err := rating.CheckTerms(terms); err != nil {
		t.Fatalf("%v: %v", terms, err)
	}
	got, err := rating.CallBeyond(terms, start, ms, packageS)
	want := ask(terms, start, ms, packageS)
	if want.gross.Cmp(most) >= 0 || want.deckGross.Cmp(most) >= 0 {
		if err == nil {
			t.Fatalf("%v over %d ms costs %s, which fits no account", terms, ms, got.Gross)
		}
		return
	}
	if err != nil {
		t.Fatalf("%v over %d ms: %v", terms, ms, err)
	}
	exact, ok := new(big.Rat).SetString(got.Exact())
	segments := int64(0)
	for _, s := range got.Segments {
		segments += s.BilledS
	}
	switch {
	case got.Billed != want.billed || got.First != want.first || got.Package != want.covered:
		t.Fatalf("%v over %d ms: %d s billed, %d of them first, %d by a package of %d; want %d, %d and %d", terms, ms,
			got.Billed, got.First, got.Package, packageS, want.billed, want.first, want.covered)
	case micro(int64(got.Net)).Cmp(want.net) != 0 || micro(int64(got.Gross)).Cmp(want.gross) != 0 || micro(int64(got.Tax)).Cmp(want.tax) != 0:
		t.Fatalf("%v at %d over %d ms: net %s tax %s gross %s; want %s, %s and %s", terms, start, ms, got.Net, got.Tax, got.Gross,
			want.net.FloatString(9), want.tax.FloatString(9), want.gross.FloatString(9))
	case !ok || exact.Cmp(want.exact) != 0:
		t.Fatalf("%v over %d ms: exactly %s; want %s", terms, ms, got.Exact(), want.exact.RatString())
	case got.Tax < 0 || got.Net+got.Tax != got.Gross:
		t.Fatalf("%v over %d ms: %+v does not add up", terms, ms, got)
	case len(terms.Switches) > 0 && segments != got.Billed-got.Package:
		t.Fatalf("%v over %d ms: the segments have %d s of %d, %d by a package", terms, ms, segments, got.Billed, got.Package)
	}
	if terms.AccountCurrency != "" && got.Billed > got.Package {
		converted, ok := new(big.Rat).SetString(got.ExactConverted(terms))
		if !ok || converted.Cmp(want.converted) != 0 || micro(int64(got.DeckNet)).Cmp(want.deckNet) != 0 || micro(int64(got.DeckGross)).Cmp(want.deckGross) != 0 {
			t.Fatalf("%v over %d ms: converted %s, in the deck's currency %s; want %s and %s", terms, ms,
				got.ExactConverted(terms), got.DeckGross, want.converted.RatString(), want.deckGross.FloatString(9))
		}
	}
	reserved(t, terms, start, ms, packageS, got)
}

// reserved checks that a hold placed before a call that starts within its span
// covers the call and an attempt.
func reserved(t *testing.T, terms *wire.Terms, start, ms, packageS int64, p rating.Price) {
	t.Helper()
	gross := p.Gross
	hold, seconds, err := rating.ReserveBeyond(terms, rating.Start{FromUS: start - 7_000_000, ToUS: start + 60_000_000}, ms, packageS)
	fee, errFee := rating.Attempt(terms)
	if err != nil || errFee != nil {
		if len(terms.Switches) > 0 || terms.AccountCurrency != "" {
			return // the dearest band may cost more than an account can hold
		}
		t.Fatal(err, errFee)
	}
	if seconds != p.Package {
		t.Fatalf("%v over %d ms: the hold takes %d s of the package, the call %d s", terms, ms, seconds, p.Package)
	}
	if hold < gross || hold < fee.Gross || len(terms.Switches) == 0 && hold != max(gross, fee.Gross) {
		t.Fatalf("%v at %d over %d ms: the hold is %s, the call costs %s, an attempt %s", terms, start, ms, hold, gross, fee.Gross)
	}
}

// randomSwitches adds changes of price around a call's start and end, often
// exactly where an increment begins.
func randomSwitches(r *rand.Rand, t *wire.Terms, start, ms int64) {
	at := start + pick(r, -1, 0, 1, int64(t.FreeS)*1e6, int64(t.FreeS+t.IntervalFirstS)*1e6, r.Int64N(ms*1000+1))
	for range 1 + r.IntN(4) {
		t.Switches = append(t.Switches, &wire.PriceSwitch{
			AtUs: at, Band: "x", PriceFirstNano: pick(r, 0, 60_000_000, r.Int64N(9_000_000_000_001)), PriceNextNano: pick(r, 0, 1, r.Int64N(9_000_000_000_001)),
		})
		at += 1 + pick(r, 0, int64(t.IntervalNextS)*1e6-1, 3600e6-1, r.Int64N(ms*1000+1))
	}
}

// randomPackage draws the seconds that a package may pay: mostly none, else around
// the first interval, the whole talk time, or anywhere.
func randomPackage(r *rand.Rand, t *wire.Terms, ms int64) int64 {
	if r.IntN(3) > 0 {
		return 0
	}
	first, whole := int64(t.IntervalFirstS), ms/1000
	return max(0, pick(r, 1, first, whole, whole+int64(t.IntervalNextS), r.Int64N(whole+first+1))+pick[int64](r, -1, 0, 1))
}

func TestOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 18))
	for range cases(t) {
		terms := randomTerms(r)
		ms := randomMS(r, terms)
		if terms.IntervalNextS < 6 && ms > 3*3600*1000 {
			ms %= 3 * 3600 * 1000 // the oracle counts one by one
		}
		start := int64(1_774_742_370_000_000) + r.Int64N(86_400_000_000)
		if r.IntN(3) == 0 {
			randomSwitches(r, terms, start, ms)
		}
		if r.IntN(3) == 0 {
			terms.Currency, terms.AccountCurrency = "EUR", "USD"
			terms.ExchangeE12 = pick(r, 1, 1_083_700_000_000, 25_000*rating.RateOne, rating.RateOne, 1+r.Int64N(1<<62))
		}
		judge(t, terms, start, ms, randomPackage(r, terms, ms))
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
						}, 0, ms, 0)
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
		}, 0, 1, 0)
		if micro(int64(got.Gross)).Cmp(want.gross) != 0 || micro(int64(got.Net)).Cmp(want.net) != 0 {
			t.Fatalf("%v: %+v, want %s", terms, got, want.gross)
		}
	}
}
