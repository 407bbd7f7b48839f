package sheet_test

import (
	"archive/zip"
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/sheet"
	"github.com/tollbook/tollbook/events/wire"
)

const day = 24 * 3600 * 1_000_000

var deck = &wire.Deck{Id: "d", Currency: "EUR", Bands: []*wire.Band{{Name: "night"}}}

func read(data []byte, m *wire.DeckMapping) *rating.Sheet {
	s := rating.NewSheet(deck, m)
	sheet.Read(data, s)
	return s
}

func xlsx(t *testing.T, lines ...[]any) []byte {
	t.Helper()
	f := excelize.NewFile()
	for i, l := range lines {
		cell, _ := excelize.CoordinatesToCellName(1, i+1)
		if err := f.SetSheetRow("Sheet1", cell, &l); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := f.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPartnersNames(t *testing.T) {
	m := &wire.DeckMapping{
		Columns:    map[string]string{"dial code": "prefix", "rate": "price", "comment": "ignore", "from": "effective_from"},
		DateLayout: "02.01.2006", DecimalComma: true,
	}
	csv := read([]byte("Dial  Code;Rate;Comment;From\n49;0,012;=1+1;01.12.2026\n"), m)
	book := read(xlsx(t, []any{"Dial Code", "Rate", "Comment", "From"}, []any{"49", "0,012", "x", "01.12.2026"}), m)
	for name, s := range map[string]*rating.Sheet{"CSV": csv, "XLSX": book} {
		if s.Faulty != 0 || len(s.Entries) != 1 {
			t.Fatalf("%s: %+v", name, s.Faults)
		}
		if e := s.Entries[0]; e.Prefix != "49" || e.PriceNext != 12_000_000 || e.FromUS != 1_796_083_200_000_000 || e.Line != 2 {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

func TestFaultsNameLineAndColumn(t *testing.T) {
	s := read([]byte("prefix,price,currency,band,min_length,max_length,effective_from\n"+
		"49,-1,EUR,,,,\n44,1,USD,,,,\n33,1,EUR,day,,,\n32,1,EUR,night,9,4,\n31,x,EUR,,,,soon\n30,1,EUR,,,,\n"+
		"7,"+strings.Repeat("9", 10<<20)+",EUR,,,,\n"), nil)
	var got []string
	for _, f := range s.Faults {
		got = append(got, strings.Join([]string{string(rune('0' + f.Line)), f.Column}, " "))
	}
	want := []string{"2 price", "3 currency", "4 band", "5 max_length", "6 price", "6 effective_from", "8 price"}
	if diff := cmp.Diff(want, got); diff != "" || s.Faulty != 7 {
		t.Errorf("%s %d", diff, s.Faulty)
	}
	if steps := s.Stage(nil, day, false); steps != nil {
		t.Error("half of a file was imported")
	}
	many := read([]byte("prefix,price\n"+strings.Repeat("x,1\n", 5000)), nil)
	if len(many.Faults) != rating.MaxFaults || many.Faulty != 5000 {
		t.Errorf("%d told of %d", len(many.Faults), many.Faulty)
	}
}

func TestDatesBecomeVersions(t *testing.T) {
	old := []rating.Row{price("31", 5), price("49", 10), price("7", 3)}
	s := read([]byte("prefix,price,effective_from,effective_till,change\n49,0.000000012,1970-01-03,,increase\n44,0.000000007,,1970-01-04,new\n7,,1970-01-03,,removed\n"), nil)
	steps := s.Stage(old, day, false)
	want := []rating.Step{
		{FromUS: day, Rows: []rating.Row{price("31", 5), price("44", 7), price("49", 10), price("7", 3)}},
		{FromUS: 2 * day, Rows: []rating.Row{price("31", 5), price("44", 7), price("49", 12)}},
		{FromUS: 3 * day, Rows: []rating.Row{price("31", 5), price("49", 12)}},
	}
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Fatalf("%s %+v", diff, s.Faults)
	}
	var d rating.Difference
	before := old
	for _, st := range steps {
		d.Compare(before, st)
		before = st.Rows
	}
	if d.Counts[rating.Increase] != 1 || d.Counts[rating.New] != 1 || d.Counts[rating.Removed] != 2 {
		t.Errorf("%v", d.Counts)
	}
	if n := d.Notice(day, 7); len(n) != 1 || n[0].After.Prefix != "49" {
		t.Errorf("%+v", n)
	}
	if n := d.Notice(day, 1); len(n) != 0 {
		t.Errorf("a day's notice is enough: %+v", n)
	}
}

func price(prefix string, nano int64) rating.Row {
	return rating.Row{Prefix: prefix, PriceFirst: money.Rate(nano), PriceNext: money.Rate(nano), IntervalFirst: 1, IntervalNext: 1}
}

func TestMissingRows(t *testing.T) {
	old := []rating.Row{price("31", 5), price("49", 10)}
	for remove, want := range map[bool]int{false: 2, true: 1} {
		s := read([]byte("prefix,price\n49,1\n"), nil)
		steps := s.Stage(old, day, remove)
		if len(steps) != 1 || len(steps[0].Rows) != want {
			t.Errorf("remove missing %v: %+v", remove, steps)
		}
	}
}

func TestOverlaps(t *testing.T) {
	for name, file := range map[string]string{
		"twice":       "prefix,price\n49,1\n49,2\n",
		"over a date": "prefix,price,effective_from,effective_till\n49,1,1970-01-03,1970-01-09\n49,2,1970-01-05,\n",
	} {
		s := read([]byte(file), nil)
		if steps := s.Stage(nil, day, false); steps != nil || s.Faulty != 1 || !strings.Contains(s.Faults[0].Reason, "for the same time in line 2") {
			t.Errorf("%s: %+v", name, s.Faults)
		}
	}
}

func TestBombs(t *testing.T) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, _ := z.Create("xl/worksheets/sheet1.xml")
	zero := make([]byte, 1<<20)
	for range 600 {
		if _, err := w.Write(zero); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"bomb": b.Bytes(), "no zip": []byte("PK\x03\x04 nothing"), "cut": xlsx(t, []any{"prefix", "price"})[:200],
		"10 MB cell": xlsx(t, []any{"prefix", "price"}, []any{"49", strings.Repeat("9", 32_000)}), "empty": nil, "no rows": []byte("prefix,price\n"),
	} {
		s := read(data, nil)
		if steps := s.Stage(nil, day, false); steps != nil || s.Faulty == 0 || len(s.Faults[0].Reason) > 400 {
			t.Errorf("%s: %d steps, %.300v", name, len(steps), s.Faults)
		}
	}
}

func TestOutAndIn(t *testing.T) {
	rows := []rating.Row{price("44", 7), price("49", 12)}
	rows[1].Destination, rows[1].Band, rows[1].ExternalID, rows[1].MaxLength = "Germany, \"mobile\"", "night", "x-1", 12
	for name, write := range map[string]func(*bytes.Buffer) error{
		"CSV":  func(b *bytes.Buffer) error { return sheet.WriteCSV(b, rows) },
		"XLSX": func(b *bytes.Buffer) error { return sheet.WriteXLSX(b, rows) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		s := read(b.Bytes(), nil)
		steps := s.Stage(nil, day, false)
		if len(steps) != 1 {
			t.Fatalf("%s: %+v", name, s.Faults)
		}
		if diff := cmp.Diff(rows, steps[0].Rows); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
