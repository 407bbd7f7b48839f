package sheet_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"os"

	"github.com/xuri/excelize/v2"

	"github.com/tollbook/tollbook/events/sheet"
)

// TestWorkbook has another program's library read what was written.
func TestWorkbook(t *testing.T) {
	riga, err := time.LoadLocation("Europe/Riga")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := sheet.NewWorkbook(&out, []string{"what", "amount", "at"}, riga)
	kinds := []sheet.Kind{sheet.Text, sheet.Number, sheet.Instant}
	for _, row := range [][]string{
		{"plain", "-12.340001", "2026-07-01T21:30:00Z"},
		{"=1+1 <b> & \"ž\" \x01", "12a", "soon"},
		{" 0123 ", "", ""},
		{"many", "90071992547409.930001", "2026-11-22T12:00:00.5Z"},
	} {
		if err := w.Row(row, kinds); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(bytes.NewReader(out.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cell := func(at string, raw bool) string {
		v, err := f.GetCellValue("Sheet1", at, excelize.Options{RawCellValue: raw})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for at, want := range map[string]string{
		"A1": "what", "B2": "-12.340001", "A3": "=1+1 <b> & \"ž\" \uFFFD", "B3": "12a", "C3": "soon", "A4": " 0123 ", "B4": "", "B5": "90071992547409.930001",
	} {
		if got := cell(at, true); got != want {
			t.Errorf("%s is %q, want %q", at, got, want)
		}
	}
	if got := cell("C2", false); got != "2026-07-02 00:30:00" {
		t.Errorf("the time is %q", got)
	}
	if formula, err := f.GetCellFormula("Sheet1", "A3"); formula != "" || err != nil {
		t.Errorf("a formula %q, %v", formula, err)
	}
	if soffice, err := exec.LookPath("soffice"); err == nil { // a spreadsheet program, where there is one
		at := filepath.Join(t.TempDir(), "x.xlsx")
		if err := os.WriteFile(at, out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if text, err := exec.Command(soffice, "--headless", "--convert-to", "csv", "--outdir", filepath.Dir(at), at).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, text)
		}
	}
}

// TestWorkbookOfManyRows goes on in a second sheet.
func TestWorkbookOfManyRows(t *testing.T) {
	var out bytes.Buffer
	w := sheet.NewWorkbook(&out, []string{"n"}, time.UTC)
	for i := range 1<<20 + 5 {
		if err := w.Row([]string{fmt.Sprint(i)}, []sheet.Kind{sheet.Number}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(bytes.NewReader(out.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for at, want := range map[string]string{"A1": "n", "A2": "1048575", "A7": "1048580", "A8": ""} {
		if got, err := f.GetCellValue("Sheet2", at); got != want || err != nil {
			t.Errorf("%s of the second sheet is %q, want %q: %v", at, got, want, err)
		}
	}
}
