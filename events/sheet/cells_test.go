package sheet_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/sheet"
)

func TestListsOfCodes(t *testing.T) {
	s := read([]byte("country code,prefix,price,enabled,forbidden\n49,\"15-17, 30\",1,yes,\n44,,1,,no\n,+331;332,1,,\n1,007-009,1,0,\n7,9,1,,x\n"), nil)
	if s.Faulty > 0 {
		t.Fatalf("%+v", s.Faults)
	}
	got := map[string]bool{}
	for _, e := range s.Entries {
		got[e.Prefix] = e.Blocked
	}
	want := map[string]bool{
		"4915": false, "4916": false, "4917": false, "4930": false, "44": false, "331": false, "332": false,
		"1007": true, "1008": true, "1009": true, "79": true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"49,1-,1", "49,-5,1", "49,9-1,1", "49,1-22,1", "49,a-b,1", "x,1,1", ",,1", "49,123456789012345678901,1"} {
		s := read([]byte("country_code,prefix,price\n"+bad+"\n"), nil)
		if s.Faulty != 1 || s.Faults[0].Line != 2 {
			t.Errorf("%s: %+v", bad, s.Faults)
		}
	}
}

// TestTypedCells reads numbers and dates as spreadsheets keep them.
func TestTypedCells(t *testing.T) {
	s := read(xlsx(t,
		[]any{"prefix", "price", "connect_fee", "interval_first", "effective_from", "external_id"},
		[]any{4915, 0.1 + 0.2, 1.2e-5, 30.0, time.Date(2026, 12, 1, 6, 0, 0, 0, time.UTC), "1E5"},
		[]any{"30", 1234.5, "", "", "2026-12-02", ""},
		[]any{331, 7, 0, 60, 46357, ""},
	), nil)
	if s.Faulty > 0 || len(s.Entries) != 3 {
		t.Fatalf("%+v", s.Faults)
	}
	a, b, c := s.Entries[0], s.Entries[1], s.Entries[2]
	if a.Prefix != "4915" || a.PriceNext != 300_000_000 || a.ConnectFee != 12 || a.IntervalFirst != 30 || a.ExternalID != "1E5" ||
		a.FromUS != time.Date(2026, 12, 1, 6, 0, 0, 0, time.UTC).UnixMicro() {
		t.Errorf("%+v", a)
	}
	if b.PriceFirst != 1_234_500_000_000 || b.FromUS != time.Date(2026, 12, 2, 0, 0, 0, 0, time.UTC).UnixMicro() {
		t.Errorf("%+v", b)
	}
	if c.Prefix != "331" || c.FromUS != time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC).UnixMicro() {
		t.Errorf("%+v", c)
	}
	for _, price := range []string{"1E999999", "0x10", "1/3", strings.Repeat("9", 60), "1e-12"} {
		if s := read(xlsx(t, []any{"prefix", "price"}, []any{"49", price}), nil); s.Faulty != 1 {
			t.Errorf("%s: %+v %+v", price, s.Faults, s.Entries)
		}
	}
}

// TestLargeSheet reads a long XLSX file; TOLLBOOK_ROWS says how long, up to the
// million that one may have ("make soak").
func TestLargeSheet(t *testing.T) {
	rows := 30_000
	if text := os.Getenv("TOLLBOOK_ROWS"); text != "" {
		var err error
		if rows, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	s := rating.NewSheet(deck, nil)
	sheet.Read(large(t, rows), s)
	if s.Faulty > 0 || len(s.Entries) != rows {
		t.Fatalf("%d rows, %+v", len(s.Entries), s.Faults)
	}
	if steps := s.Stage(nil, day, false); len(steps) != 1 || len(steps[0].Rows) != rows {
		t.Fatalf("%d versions, %+v", len(steps), s.Faults)
	}
}

// large is an XLSX file of so many prices, written as text by the rows, since a
// library takes as long to write it as to read it.
func large(t *testing.T, rows int) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	part := func(name, text string) io.Writer {
		w, err := z.Create(name)
		if err == nil {
			_, err = io.WriteString(w, text)
		}
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	const head = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>`
	part("[Content_Types].xml", head+`<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>`)
	part("_rels/.rels", head+`<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>`)
	part("xl/workbook.xml", head+`<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Rates" sheetId="1" r:id="r1"/></sheets></workbook>`)
	part("xl/_rels/workbook.xml.rels", head+`<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`)
	w := bufio.NewWriter(part("xl/worksheets/sheet1.xml", head+`<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>prefix</t></is></c><c r="B1" t="inlineStr"><is><t>price</t></is></c></row>`))
	for i := range rows {
		fmt.Fprintf(w, `<row r="%d"><c r="A%d"><v>%d</v></c><c r="B%d"><v>0.0%d</v></c></row>`, i+2, i+2, 1_000_000+i, i+2, 100+i%900)
	}
	_, err := w.WriteString(`</sheetData></worksheet>`)
	if err = errors.Join(err, w.Flush(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
