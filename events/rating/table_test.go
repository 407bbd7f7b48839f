package rating_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

// randomRows makes n rows with distinct prefixes of up to long digits, sorted.
func randomRows(r *rand.Rand, n, long int) []rating.Row {
	seen := map[string]bool{}
	for len(seen) < n {
		p := strconv.Itoa(1 + r.IntN(9))
		for range r.IntN(long) {
			p += strconv.Itoa(r.IntN(10))
		}
		seen[p] = true
	}
	rows := make([]rating.Row, 0, n)
	for p := range seen {
		rows = append(rows, rating.Row{Prefix: p, IntervalFirst: 1, IntervalNext: 1})
	}
	slices.SortFunc(rows, func(a, b rating.Row) int { return strings.Compare(a.Prefix, b.Prefix) })
	return rows
}

func TestLookupAgainstBruteForce(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	rows := randomRows(r, 2000, 8)
	table := rating.NewTable(&wire.Deck{Id: "d"}, &wire.DeckVersion{Number: 3}, rows)
	for range 20_000 {
		digits := rows[r.IntN(len(rows))].Prefix
		digits = digits[:1+r.IntN(len(digits))] + strconv.Itoa(r.IntN(10_000))
		if r.IntN(10) == 0 {
			digits = "0" + digits
		}
		want := -1
		for i := range rows {
			if strings.HasPrefix(digits, rows[i].Prefix) && (want < 0 || len(rows[i].Prefix) > len(rows[want].Prefix)) {
				want = i
			}
		}
		row, number, ok := table.Find(rating.Query{Called: digits})
		if ok != (want >= 0) || ok && (row.Prefix != rows[want].Prefix || number != want+1) {
			t.Fatalf("%s: row %d %v, want row %d", digits, number, row, want+1)
		}
		terms, ok := table.Price(rating.Query{Called: digits})
		if ok != (want >= 0) || ok && (terms.Prefix != row.Prefix || terms.Row != uint32(number) || terms.DeckVersion != 3) {
			t.Fatalf("%s: terms %v", digits, terms)
		}
	}
}

func TestLookupOfOddNumbers(t *testing.T) {
	table := rating.NewTable(&wire.Deck{Id: "d"}, &wire.DeckVersion{}, []rating.Row{
		{Prefix: "4"}, {Prefix: "49"}, {Prefix: "4930", Blocked: true}, {Prefix: "49301"},
	})
	for digits, want := range map[string]string{
		"": "", "5": "", "4": "4", "493": "49", "4930": "4930", "49301": "49301", "493012": "49301",
		"49x0": "49", "4/": "4", "4:": "4", "x": "", "49\xff": "49",
	} {
		row, _, ok := table.Find(rating.Query{Called: digits})
		if ok != (want != "") || ok && row.Prefix != want {
			t.Errorf("%q: %v, want %q", digits, row, want)
		}
	}
	for digits, want := range map[string]bool{"4930": false, "49302": false, "49301": true, "49": true, "7": false} {
		if _, ok := table.Price(rating.Query{Called: digits}); ok != want {
			t.Errorf("%s may be called: %v", digits, ok)
		}
	}
	if len(table.Rows()) != 4 || table.Deck().Id != "d" || table.Version() == nil {
		t.Error("the table has forgotten where it comes from")
	}
	empty := rating.NewTable(&wire.Deck{}, &wire.DeckVersion{}, nil)
	if _, _, ok := empty.Find(rating.Query{Called: "1"}); ok {
		t.Error("a price without rows")
	}
}

func BenchmarkLookup(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	rows := randomRows(r, 1_000_000, 9)
	table := rating.NewTable(&wire.Deck{Id: "d"}, &wire.DeckVersion{}, rows)
	numbers := make([]string, 4096)
	for i := range numbers {
		numbers[i] = fmt.Sprintf("%s%05d", rows[r.IntN(len(rows))].Prefix, r.IntN(100_000))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, _, ok := table.Find(rating.Query{Called: numbers[i%len(numbers)]}); !ok {
			b.Fatal("not found")
		}
	}
}

func BenchmarkCall(b *testing.B) {
	terms := &wire.Terms{PriceFirstNano: 12_345_678, PriceNextNano: 12_345_678, IntervalFirstS: 30, IntervalNextS: 6, Decimals: 4, TaxPpm: 190_000}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rating.CallAt(terms, 0, 123_456); err != nil {
			b.Fatal(err)
		}
	}
}
