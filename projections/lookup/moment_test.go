package lookup_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/projections/lookup"
)

// everyDay makes a band's hours of each day of the week.
func everyDay(from, to uint32) []*wire.Hours {
	var out []*wire.Hours
	for day := range uint32(7) {
		out = append(out, &wire.Hours{FromMinute: day*1440 + from, ToMinute: day*1440 + to})
	}
	return out
}

func TestShifts(t *testing.T) {
	small := []*wire.Band{{Name: "small", Hours: everyDay(150, 210)}} // 02:30 to 03:30
	for _, c := range []struct {
		name, zone, from string
		bands            []*wire.Band
		hours            int
		want             []string
	}{
		{"an ordinary night", "Europe/Berlin", "2026-07-01T00:00:00+02:00", small, 24,
			[]string{"06-30T22:00 ", "07-01T00:30 small", "07-01T01:30 "}},
		{"02:30 is left out", "Europe/Berlin", "2026-03-29T00:00:00+01:00", small, 23,
			[]string{"03-28T23:00 ", "03-29T01:00 small", "03-29T01:30 "}},
		{"02:30 is there twice", "Europe/Berlin", "2026-10-25T00:00:00+02:00", small, 25,
			[]string{"10-24T22:00 ", "10-25T00:30 small", "10-25T01:00 ", "10-25T01:30 small", "10-25T02:30 "}},
		{"the week's end", "", "2026-11-22T00:00:00Z", []*wire.Band{{Name: "turn", Hours: []*wire.Hours{{FromMinute: 10079, ToMinute: 1}}}}, 48,
			[]string{"11-22T00:00 ", "11-22T23:59 turn", "11-23T00:01 "}},
		{"the first band counts", "", "2026-11-22T00:00:00Z", []*wire.Band{
			{Name: "late", Hours: everyDay(60, 120)}, {Name: "all", Hours: []*wire.Hours{{FromMinute: 0, ToMinute: 10080}}},
		}, 3, []string{"11-22T00:00 all", "11-22T01:00 late", "11-22T02:00 all"}},
		{"half an hour off", "Asia/Kolkata", "2026-11-22T18:00:00Z", small, 12,
			[]string{"11-22T18:00 ", "11-22T21:00 small", "11-22T22:00 "}},
		{"no such zone", "Mars/Base", "2026-11-22T00:00:00Z", small, 12, []string{"11-22T00:00 ", "11-22T02:30 small", "11-22T03:30 "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			from, err := time.Parse(time.RFC3339, c.from)
			if err != nil {
				t.Fatal(err)
			}
			var zones lookup.Zones
			var got []string
			for _, s := range lookup.Shifts(&zones, &wire.Deck{TimeZone: c.zone, Bands: c.bands}, from, from.Add(time.Duration(c.hours)*time.Hour)) {
				got = append(got, time.UnixMicro(s.AtUS).UTC().Format("01-02T15:04 ")+s.Band)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestCallThroughTheShortNight prices a call that goes on through the night in
// which the clocks are put forward.
func TestCallThroughTheShortNight(t *testing.T) {
	deck := &wire.Deck{
		Id: "d", Currency: "EUR", Decimals: 6, TimeZone: "Europe/Berlin", BandsSplit: true,
		Bands: []*wire.Band{{Name: "small", Hours: everyDay(60, 240)}}, // 01:00 to 04:00: two hours that night
	}
	rows, err := rating.ParseCSV([]byte("prefix,price,increments,band\n49,0.60,60/60/0,\n49,0.06,60/60/0,small\n"))
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2026, 3, 28, 22, 0, 0, 0, time.UTC)
	var zones lookup.Zones
	table := rating.NewTable(deck, &wire.DeckVersion{Number: 1}, rows).
		With(rating.Moment{Shifts: lookup.Shifts(&zones, deck, from, from.Add(48*time.Hour))})
	start := time.Date(2026, 3, 28, 23, 59, 30, 0, time.UTC) // 00:59:30 in Berlin
	terms, ok := table.Price(rating.Query{Called: "4930", AtUS: start.UnixMicro()})
	if !ok || len(terms.Switches) != 3 {
		t.Fatalf("%v", terms)
	}
	p, err := rating.CallAt(terms, start.UnixMicro(), 3*3600*1000)
	// Three hours: one minute begins before the band, 120 in it, the other 59 after it.
	if err != nil || p.Gross.String() != "43.200000" || len(p.Segments) != 3 || p.Segments[1].BilledS != 7200 {
		t.Errorf("%s, %v, %v", p.Gross, p.Segments, err)
	}
}
