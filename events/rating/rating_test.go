package rating_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

// per are terms at a price a minute, billed as "first/next".
func per(nano int64, first, next uint32) *wire.Terms {
	return &wire.Terms{
		Deck: "d", Prefix: "49", PriceFirstNano: nano, PriceNextNano: nano,
		IntervalFirstS: first, IntervalNextS: next, Decimals: 6,
	}
}

func TestCallByHand(t *testing.T) {
	withTax := func(t *wire.Terms, ppm uint32, inclusive bool) *wire.Terms {
		t.TaxPpm, t.TaxInclusive = ppm, inclusive
		return t
	}
	connect := per(60_000_000, 60, 60)
	connect.ConnectFeeMicro, connect.MinimumMicro = 50_000, 200_000
	for _, c := range []struct {
		name            string
		terms           *wire.Terms
		ms              int64
		billed          int64
		net, tax, gross string
		exact           string
	}{
		{"a second at 0.06", per(60_000_000, 1, 1), 1000, 1, "0.001000", "0.000000", "0.001000", "0.001"},
		{"nothing is a second", per(60_000_000, 1, 1), 0, 1, "0.001000", "0.000000", "0.001000", "0.001"},
		{"30/6 after 31 s", per(60_000_000, 30, 6), 30_001, 36, "0.036000", "0.000000", "0.036000", "0.036"},
		{"a third of a micro", per(20_000, 1, 1), 1000, 1, "0.000000", "0.000000", "0.000000", "1/3000000"},
		{"tax on top", withTax(per(1_000_000_000, 60, 60), 190_000, false), 60_000, 60, "1.000000", "0.190000", "1.190000", "1"},
		{"tax within", withTax(per(1_190_000_000, 60, 60), 190_000, true), 60_000, 60, "1.000000", "0.190000", "1.190000", "1.19"},
		{"fee, but the minimum is more", connect, 60_000, 60, "0.200000", "0.000000", "0.200000", "0.2"},
		{"fee, above the minimum", connect, 180_000, 180, "0.230000", "0.000000", "0.230000", "0.23"},
	} {
		p, err := rating.CallAt(c.terms, 0, c.ms)
		if err != nil || p.Billed != c.billed || p.Net.String() != c.net || p.Tax.String() != c.tax || p.Gross.String() != c.gross || p.Exact() != c.exact {
			t.Errorf("%s: %d s, %s + %s = %s, exactly %s, %v", c.name, p.Billed, p.Net, p.Tax, p.Gross, p.Exact(), err)
		}
	}
}

func TestCallRefuses(t *testing.T) {
	for _, ms := range []int64{-1, math.MinInt64, rating.MaxSeconds*1000 + 1, math.MaxInt64} {
		if _, err := rating.CallAt(per(1, 1, 1), 0, ms); events.CodeOf(err) != events.CodeInvalid {
			t.Errorf("%d ms: %v", ms, err)
		}
	}
	dear := per(int64(money.MaxRate), 1, 1)
	dear.ConnectFeeMicro = math.MaxInt64
	if _, err := rating.CallAt(dear, 0, rating.MaxSeconds*1000); events.CodeOf(err) != events.CodeInvalid {
		t.Errorf("a price that fits no account: %v", err)
	}
}

func TestCheckTerms(t *testing.T) {
	if err := rating.CheckTerms(per(0, 1, 1)); err != nil {
		t.Error(err)
	}
	if err := rating.CheckTerms(nil); events.CodeOf(err) != events.CodeInvalid {
		t.Error(err)
	}
	for want, spoil := range map[string]func(*wire.Terms){
		"is 0 seconds":      func(t *wire.Terms) { t.IntervalFirstS = 0 },
		"it must be":        func(t *wire.Terms) { t.IntervalNextS = 0 },
		"longer than a day": func(t *wire.Terms) { t.IntervalNextS = 86_401 },
		"than a day":        func(t *wire.Terms) { t.FreeS = math.MaxUint32 },
		"is negative":       func(t *wire.Terms) { t.PriceFirstNano = -1 },
		"price is negative": func(t *wire.Terms) { t.MinimumMicro = -1 },
		"negative":          func(t *wire.Terms) { t.ConnectFeeMicro = -1 },
		"above 9000.00":     func(t *wire.Terms) { t.PriceNextNano = int64(money.MaxRate) + 1 },
		"above 100 %":       func(t *wire.Terms) { t.TaxPpm = 1_000_001 },
		"at most 6":         func(t *wire.Terms) { t.Decimals = 7 },
	} {
		terms := per(1, 1, 1)
		spoil(terms)
		if err := rating.CheckTerms(terms); events.CodeOf(err) != events.CodeInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func gross(t *testing.T, terms *wire.Terms, ms int64) money.Amount {
	t.Helper()
	p, err := rating.CallAt(terms, 0, ms)
	if err != nil {
		t.Fatal(err)
	}
	return p.Gross
}

// reserve is what a hold must cover: the price, or the fee of an attempt if it is more.
func reserve(t *testing.T, terms *wire.Terms, ms int64) money.Amount {
	t.Helper()
	fee, err := rating.Attempt(terms)
	if err != nil {
		t.Fatal(err)
	}
	return max(gross(t, terms, ms), fee.Gross)
}

// TestLongestFrom walks increment by increment to the longest talk time that money
// lasts for.
func TestLongestFrom(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		terms := randomTerms(r)
		limit := pick(r, 1, 1000, 60_000, rating.ShortestMS(terms), 1+r.Int64N(900_000))
		available := money.Amount(pick(r, -1, 0, 1, r.Int64N(100_000), r.Int64N(50_000_000)))
		if r.IntN(2) == 0 {
			available = reserve(t, terms, randomMS(r, terms)%limit) + money.Amount(pick(r, -1, 0, 1))
		}
		got, err := rating.LongestFrom(terms, rating.Start{}, available, limit)
		if err != nil {
			t.Fatal(err)
		}
		want := int64(0)
		for at := min(rating.ShortestMS(terms), limit); at <= limit; {
			if reserve(t, terms, at) > available {
				break
			}
			want = at
			if at == limit {
				break
			}
			at = min(at+int64(terms.IntervalNextS)*1000, limit)
		}
		if got != want {
			t.Fatalf("%v with %s up to %d ms: %d ms, want %d", terms, available, limit, got, want)
		}
		if got > 0 && got < limit && reserve(t, terms, got+1) <= available {
			t.Fatalf("%v with %s: one millisecond above %d is affordable, too", terms, available, got)
		}
		more, err := rating.LongestFrom(terms, rating.Start{}, available+1000, limit)
		if err != nil || more < got {
			t.Fatalf("%v: more money than %s gives less time: %d ms after %d, %v", terms, available, more, got, err)
		}
	}
}

// TestPricesNeverFall is what LongestFrom's search stands on.
func TestPricesNeverFall(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 5000 {
		terms := randomTerms(r)
		a, b := randomMS(r, terms), randomMS(r, terms)
		if a > b {
			a, b = b, a
		}
		if gross(t, terms, a) > gross(t, terms, b) {
			t.Fatalf("%v: %d ms cost more than %d ms", terms, a, b)
		}
	}
}

func TestLongestOfTooLong(t *testing.T) {
	if _, err := rating.LongestFrom(per(1, 1, 1), rating.Start{}, 1, rating.MaxSeconds*1000+1); err == nil {
		t.Error("more than 31 days")
	}
}

func TestTermsNameTheirSource(t *testing.T) {
	deck := &wire.Deck{Id: "d", Currency: "USD", Rounding: wire.RoundingMode_ROUNDING_MODE_UP, Decimals: 4, TaxPpm: 5, TaxInclusive: true}
	row := rating.Row{
		Prefix: "49", Destination: "Germany", PriceFirst: 1, PriceNext: 2, IntervalFirst: 3, IntervalNext: 4, Free: 5,
		ConnectFee: 6, AttemptFee: 7, Minimum: 8,
	}
	want := &wire.Terms{
		Deck: "d", DeckVersion: 9, Prefix: "49", Destination: "Germany", Currency: "USD", PriceFirstNano: 1, PriceNextNano: 2,
		IntervalFirstS: 3, IntervalNextS: 4, FreeS: 5, ConnectFeeMicro: 6, AttemptFeeMicro: 7, MinimumMicro: 8,
		Rounding: wire.RoundingMode_ROUNDING_MODE_UP, Decimals: 4, TaxPpm: 5, TaxInclusive: true, Row: 10,
	}
	if got := row.Terms(deck, &wire.DeckVersion{Number: 9}, 10); !proto.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
