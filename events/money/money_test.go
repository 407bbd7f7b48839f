package money_test

import (
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/money"
)

func TestParseAmount(t *testing.T) {
	for _, c := range []struct {
		in   string
		want money.Amount
		text string // "" if it is refused
	}{
		{"0", 0, "0.000000"},
		{"-0", 0, "0.000000"},
		{"1", 1_000_000, "1.000000"},
		{"12.34", 12_340_000, "12.340000"},
		{"-12.34", -12_340_000, "-12.340000"},
		{"0.000001", 1, "0.000001"},
		{"-0.000001", -1, "-0.000001"},
		{"1.0000010000", 1_000_001, "1.000001"},
		{"0007", 7_000_000, "7.000000"},
		{"9223372036.854775", 9_223_372_036_854_775, "9223372036.854775"},
		{"-9223372036.854775", -9_223_372_036_854_775, "-9223372036.854775"},
		{"9223372036.854776", 0, ""},
		{"99999999999999999999999", 0, ""},
		{"0.0000001", 0, ""},
		{"", 0, ""},
		{"-", 0, ""},
		{".", 0, ""},
		{".5", 0, ""},
		{"5.", 0, ""},
		{"+5", 0, ""},
		{"--5", 0, ""},
		{"-+5", 0, ""},
		{" 5", 0, ""},
		{"5 ", 0, ""},
		{"1,5", 0, ""},
		{"1.2.3", 0, ""},
		{"1e3", 0, ""},
		{"0x10", 0, ""},
		{"1_000", 0, ""},
		{"NaN", 0, ""},
		{"٣", 0, ""}, // a digit, but not ours
		{"1.\x00", 0, ""},
	} {
		got, err := money.ParseAmount(c.in)
		if c.text == "" {
			if events.CodeOf(err) != events.CodeInvalid {
				t.Errorf("%q: %v, %v, want a refusal", c.in, got, err)
			}
		} else if err != nil || got != c.want || got.String() != c.text {
			t.Errorf("%q: %s, %v, want %s", c.in, got, err, c.text)
		}
	}
}

func TestParseRate(t *testing.T) {
	for _, c := range []struct {
		in          string
		want        money.Rate
		text, short string
	}{
		{"0.012", 12_000_000, "0.012000000", "0.012"},
		{"0.0123456789", 0, "", ""},
		{"0.123456789", 123_456_789, "0.123456789", "0.123456789"},
		{"9000", money.MaxRate, "9000.000000000", "9000.00"},
		{"9000.000000001", 0, "", ""},
		{"-1.5", -1_500_000_000, "-1.500000000", "-1.50"},
		{"0", 0, "0.000000000", "0.00"},
	} {
		got, err := money.ParseRate(c.in)
		if c.text == "" {
			if events.CodeOf(err) != events.CodeInvalid {
				t.Errorf("%q: %v, %v, want a refusal", c.in, got, err)
			}
		} else if err != nil || got != c.want || got.String() != c.text || got.Short() != c.short {
			t.Errorf("%q: %s (%s), %v, want %s (%s)", c.in, got, got.Short(), err, c.text, c.short)
		}
	}
}

func TestRefusalsAreShort(t *testing.T) {
	long := strings.Repeat("9", 1<<20)
	for _, s := range []string{long, long + "x", "0." + long, "x" + long} {
		if _, err := money.ParseAmount(s); err == nil || len(err.Error()) > 200 {
			t.Errorf("%.10s…: a refusal of %d bytes", s, len(err.Error()))
		}
	}
}

func TestParseCurrency(t *testing.T) {
	for in, ok := range map[string]bool{"USD": true, "EUR": true, "usd": false, "US": false, "USDT": false, "U1D": false, "": false, "ÄB": false} {
		c, err := money.ParseCurrency(in)
		if (err == nil) != ok || ok && string(c) != in {
			t.Errorf("%q: %q, %v", in, c, err)
		}
	}
}

func TestStringOfExtremes(t *testing.T) {
	for a, want := range map[money.Amount]string{
		math.MinInt64: "-9223372036854.775808", math.MaxInt64: "9223372036854.775807", -1: "-0.000001",
	} {
		if got := a.String(); got != want {
			t.Errorf("%d: %s, want %s", int64(a), got, want)
		}
	}
}

func TestAdd(t *testing.T) {
	for _, c := range []struct {
		a, b money.Amount
		ok   bool
	}{
		{1, 2, true},
		{money.MaxAmount, 0, true},
		{money.MaxAmount, 1, false},
		{-money.MaxAmount, -1, false},
		{money.MaxAmount, -money.MaxAmount, true},
		{money.MaxAmount, money.MaxAmount, false},
	} {
		got, err := money.Add(c.a, c.b)
		if (err == nil) != c.ok || c.ok && got != c.a+c.b {
			t.Errorf("%s + %s: %s, %v", c.a, c.b, got, err)
		}
	}
}

func TestAmountRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := money.Amount(rapid.Int64Range(-int64(money.MaxAmount), int64(money.MaxAmount)).Draw(t, "amount"))
		if back, err := money.ParseAmount(a.String()); err != nil || back != a {
			t.Fatalf("%s reads as %s, %v", a, back, err)
		}
		r := money.Rate(rapid.Int64Range(-int64(money.MaxRate), int64(money.MaxRate)).Draw(t, "rate"))
		for _, s := range []string{r.String(), r.Short()} {
			if back, err := money.ParseRate(s); err != nil || back != r {
				t.Fatalf("%s reads as %s, %v", s, back, err)
			}
		}
	})
}

// FuzzParseDecimal compares what is accepted with math/big's reading.
func FuzzParseDecimal(f *testing.F) {
	for _, s := range []string{"0", "-1.5", "0.000001", "9223372036.854775", "1.", ".1", "1e5", "-", "00.10", "9000.000000001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		check := func(n int64, text string, scale int64) {
			want, ok := new(big.Rat).SetString(s)
			if !ok || want.Cmp(big.NewRat(n, scale)) != 0 {
				t.Fatalf("%q reads as %d/%d", s, n, scale)
			}
			again, ok := new(big.Rat).SetString(text)
			if !ok || again.Cmp(want) != 0 {
				t.Fatalf("%q is written as %q", s, text)
			}
		}
		if a, err := money.ParseAmount(s); err == nil {
			check(int64(a), a.String(), money.MicroPerUnit)
		} else if events.CodeOf(err) != events.CodeInvalid {
			t.Fatal(err)
		}
		if r, err := money.ParseRate(s); err == nil {
			check(int64(r), r.String(), money.NanoPerUnit)
			check(int64(r), r.Short(), money.NanoPerUnit)
		}
	})
}
