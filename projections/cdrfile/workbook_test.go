package cdrfile

import (
	"bytes"
	"errors"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/tollbook/tollbook/projections/history"
)

// TestWorkbook: amounts can be added up; numbers that are names, and those with more digits
// than a spreadsheet has, are texts.
func TestWorkbook(t *testing.T) {
	var file bytes.Buffer
	c := history.CDR{CalledRouted: "00123", SetupUS: 1_793_491_200_000_001, CallerName: "=1+1", Answered: true}
	c.GrossMicro = -1_500_000
	columns := []string{"called_routed", "gross_micro", "setup_us", "caller_name", "answered"}
	if err := WriteWorkbook(&file, []history.CDR{c}, columns); err != nil {
		t.Fatal(err)
	}
	book, err := excelize.OpenReader(&file)
	if err != nil {
		t.Fatal(err)
	}
	sheet := book.GetSheetName(0)
	for place, want := range map[string]struct {
		text string
		kind excelize.CellType
	}{
		"A1": {"called_routed", excelize.CellTypeInlineString}, "A2": {"00123", excelize.CellTypeInlineString},
		"B2": {"-1500000", excelize.CellTypeUnset}, "C2": {"1793491200000001", excelize.CellTypeInlineString},
		"D2": {"=1+1", excelize.CellTypeInlineString}, "E2": {"true", excelize.CellTypeInlineString},
	} {
		text, err := book.GetCellValue(sheet, place)
		kind, err2 := book.GetCellType(sheet, place)
		if text != want.text || kind != want.kind || err != nil || err2 != nil {
			t.Errorf("%s: %q of kind %d, %v, %v", place, text, kind, err, err2)
		}
	}
	if err := WriteWorkbook(&file, nil, []string{"price"}); !errors.Is(err, history.ErrInvalid) {
		t.Error(err)
	}
}
