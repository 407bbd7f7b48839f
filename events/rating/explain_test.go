package rating_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

var update = flag.Bool("update", false, "rewrite testdata with what the code says")

func lineOf(t *testing.T, terms *wire.Terms, start, ms int64) *wire.PriceLine {
	t.Helper()
	return coveredLine(t, terms, start, ms, 0)
}

func coveredLine(t *testing.T, terms *wire.Terms, start, ms, packageS int64) *wire.PriceLine {
	t.Helper()
	p, err := rating.CallBeyond(terms, start, ms, packageS)
	if err != nil {
		t.Fatal(err)
	}
	return &wire.PriceLine{
		Package: "bundle", PackageS: p.Package,
		Terms: terms, RawMs: ms, BilledS: p.Billed, FirstS: p.First, Exact: p.Exact(), ExactConverted: p.ExactConverted(terms), Segments: p.Segments,
		NetMicro: int64(p.Net), TaxMicro: int64(p.Tax), GrossMicro: int64(p.Gross),
		DeckNetMicro: int64(p.DeckNet), DeckTaxMicro: int64(p.DeckTax), DeckGrossMicro: int64(p.DeckGross),
	}
}

func TestExplain(t *testing.T) {
	base := func() *wire.Terms {
		return &wire.Terms{
			Deck: "retail", DeckVersion: 3, Row: 17, Prefix: "4930", Destination: "Germany Berlin", Currency: "EUR",
			PriceFirstNano: 60_000_000, PriceNextNano: 30_000_000, IntervalFirstS: 30, IntervalNextS: 6, Decimals: 4, TaxPpm: 190_000,
		}
	}
	plain, free, split, exchanged, attempt := base(), base(), base(), base(), base()
	plain.ConnectFeeMicro, plain.MinimumMicro, plain.TaxInclusive, plain.ExternalId, plain.Origin = 10_000, 20_000, true, "DE-B", "eu"
	free.FreeS = 60
	const start = 1_774_742_370_000_000
	split.Band = "night"
	split.Switches = []*wire.PriceSwitch{{AtUs: start + 40_000_000, Band: "day", PriceFirstNano: 1, PriceNextNano: 90_000_000}}
	exchanged.AccountCurrency, exchanged.ExchangeE12, exchanged.Exchange, exchanged.Rounding = "USD", 1_083_700_000_000, "EUR-USD-1", wire.RoundingMode_ROUNDING_MODE_UP
	attempt.AttemptFeeMicro, attempt.TaxPpm = 5000, 0
	fee, err := rating.Attempt(attempt)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, c := range []struct {
		name string
		line *wire.PriceLine
	}{
		{"everything", lineOf(t, plain, 0, 61_500)},
		{"free", lineOf(t, free, 0, 59_999)},
		{"split by bands", lineOf(t, split, start, 60_000)},
		{"exchanged", lineOf(t, exchanged, 0, 60_000)},
		{"a package pays a part", coveredLine(t, plain, 0, 61_500, 32)},
		{"a package pays a part, split by bands", coveredLine(t, split, start, 60_000, 32)},
		{"a package pays all", coveredLine(t, plain, 0, 61_500, 100)},
		{"an attempt", &wire.PriceLine{Terms: attempt, Unanswered: true, Exact: fee.Exact(), NetMicro: int64(fee.Net), GrossMicro: int64(fee.Gross)}},
	} {
		got.WriteString(c.name + "\n")
		for _, l := range rating.Explain(c.line) {
			got.WriteString("    " + l + "\n")
		}
	}
	const name = "testdata/explain.txt"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s (run with -update to accept):\n%s", name, diff)
	}
	if rating.Explain(&wire.PriceLine{}) != nil {
		t.Error("a line without terms was explained")
	}
}
