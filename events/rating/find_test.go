package rating_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

// TestFindAgainstBruteForce draws decks with origins, bands and lengths and finds
// the row by the definition: longest called prefix, then longest caller prefix of
// the set, then rows without a set; in each the band in force before any time.
func TestFindAgainstBruteForce(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	sets := map[string]*wire.OriginSet{
		"eu": {Id: "eu", CallerPrefixes: []string{"3", "4"}}, "de": {Id: "de", CallerPrefixes: []string{"49", "4"}}, "us": {Id: "us", CallerPrefixes: []string{"1"}},
	}
	for range 300 {
		seen := map[string]bool{}
		var rows []rating.Row
		for range 1 + r.IntN(40) {
			row := rating.Row{
				Prefix: fmt.Sprint(1 + r.IntN(60)), Origin: pick(r, "", "", "eu", "de", "us"), Band: pick(r, "", "", "day", "night"),
				MinLength: pick[uint32](r, 0, 0, 4), MaxLength: pick[uint32](r, 0, 0, 6), Blocked: r.IntN(9) == 0, IntervalFirst: 1, IntervalNext: 1,
			}
			if r.IntN(12) == 0 {
				row.Prefix += strings.Repeat("7", 15+r.IntN(4))
			}
			if !seen[row.Scope()] {
				rows, seen[row.Scope()] = append(rows, row), true
			}
		}
		slices.SortFunc(rows, func(a, b rating.Row) int { return rating.Compare(&a, &b) })
		table := rating.NewTable(&wire.Deck{Id: "d"}, &wire.DeckVersion{OriginSets: []string{"de", "eu", "us"}}, rows).
			With(rating.Moment{Origins: sets, Shifts: []rating.Shift{{AtUS: 0}, {AtUS: 100, Band: "day"}, {AtUS: 200, Band: "night"}}})
		for range 60 {
			q := rating.Query{Called: rows[r.IntN(len(rows))].Prefix + pick(r, "", "7", "7777", fmt.Sprint(r.IntN(1000)), "x1"), Caller: pick(r, "", "49301", "441", "1212", "7", "anna"), AtUS: r.Int64N(300)}
			want := brute(rows, sets, q)
			_, number, ok := table.Find(q)
			if !ok {
				number = 0
			}
			if number != want {
				t.Fatalf("%+v: row %d, want %d of %+v", q, number, want, rows)
			}
			if terms, ok := table.Price(q); ok != (want > 0 && !rows[want-1].Blocked) || ok && terms.Row != uint32(want) {
				t.Fatalf("%+v: terms %v", q, terms)
			}
		}
	}
}

func brute(rows []rating.Row, sets map[string]*wire.OriginSet, q rating.Query) int {
	band := [...]string{"", "day", "night"}[q.AtUS/100]
	type found struct{ called, caller, band, row int }
	var all []found
	for i, row := range rows {
		caller := 0
		for _, p := range sets[row.Origin].GetCallerPrefixes() {
			if strings.HasPrefix(q.Caller, p) {
				caller = max(caller, len(p))
			}
		}
		digits := len(q.Called)
		if !strings.HasPrefix(q.Called, row.Prefix) || row.Origin != "" && caller == 0 || row.Band != "" && row.Band != band ||
			digits < int(row.MinLength) || row.MaxLength > 0 && digits > int(row.MaxLength) {
			continue
		}
		f := found{called: len(row.Prefix), caller: caller, row: i + 1}
		if row.Band != "" {
			f.band = 1
		}
		all = append(all, f)
	}
	if len(all) == 0 {
		return 0
	}
	return slices.MaxFunc(all, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.called, b.called), cmp.Compare(a.caller, b.caller), cmp.Compare(a.band, b.band))
	}).row
}

func TestPricesInOtherCurrencies(t *testing.T) {
	rows := []rating.Row{{Prefix: "49", PriceFirst: 100_000_000, PriceNext: 100_000_000, IntervalFirst: 1, IntervalNext: 1}}
	rate := &wire.ExchangeRate{Id: "EUR-USD-1", Base: "EUR", Quote: "USD", RateE12: 1_500_000_000_000}
	table := rating.NewTable(&wire.Deck{Id: "d", Currency: "EUR", Decimals: 6}, &wire.DeckVersion{}, rows).
		With(rating.Moment{Exchange: map[string]*wire.ExchangeRate{"USD": rate}})
	for currency, want := range map[string]string{"": "0.100000", "EUR": "0.100000", "USD": "0.150000"} {
		terms, ok := table.Price(rating.Query{Called: "49", Currency: currency})
		if !ok || !table.Charges(currency) {
			t.Fatalf("no price in %q", currency)
		}
		p, err := rating.CallAt(terms, 0, 60_000)
		if err != nil || p.Gross.String() != want {
			t.Errorf("in %q: %s, %v", currency, p.Gross, err)
		}
		if again, _ := table.Price(rating.Query{Called: "491", Currency: currency}); again != terms {
			t.Error("the terms were made twice")
		}
	}
	if _, ok := table.Price(rating.Query{Called: "49", Currency: "GBP"}); ok || table.Charges("GBP") {
		t.Error("a price in a currency without a rate")
	}
}
