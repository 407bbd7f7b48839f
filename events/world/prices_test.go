package world_test

import (
	"testing"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/world"
)

func TestPrices(t *testing.T) {
	edit, err := world.Read([]byte(`
exchange_rates: [{from: EUR, to: USD, rate: "1.0837", effective_from: "2026-01-01T00:00:00Z"}]
origin_sets: [{id: eu, caller_prefixes: ["+49", "33"]}]
deck_mappings: [{id: partner, columns: {Dial Code: prefix}, date_layout: 02.01.2006, decimal_comma: true}]
decks:
  - id: d
    currency: EUR
    time_zone: Europe/Berlin
    bands_split: true
    notice_days: 7
    bands: [{name: night, hours: ["mon-sun 20:00-08:00"]}]
    rows: |
      prefix,price,band,origin
      49,0.5,,
      49,0.2,night,eu
`), catalog.New(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := catalog.New().Decide(1, edit.Changes); err != nil {
		t.Fatal(err)
	}
	seen := map[catalog.Kind]int{}
	for _, d := range edit.Differences {
		seen[d.Ref.Kind]++
		if v := d.After.GetDeckVersion(); v != nil && (len(v.Bands) != 1 || len(v.OriginSets) != 1) {
			t.Errorf("%v", v)
		}
		if r := d.After.GetExchangeRate(); r != nil && r.RateE12 != 1_083_700_000_000 {
			t.Errorf("%v", r)
		}
		if b := d.After.GetDeck(); b != nil && (len(b.Bands[0].Hours) == 0 || !b.BandsSplit || b.NoticeDays != 7) {
			t.Errorf("%v", b)
		}
	}
	if len(seen) != 5 {
		t.Errorf("%v", seen)
	}
}
