package cdrfile

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tollbook/tollbook/events/sheet"
	"github.com/tollbook/tollbook/projections/history"
)

// WriteWorkbook writes CDRs as an XLSX file with a header: some columns, or all where none
// are named. Amounts are numbers in the units of their columns as far as spreadsheets are exact; texts, telephone
// numbers among them, are texts, which no program runs as formulas or rounds.
func WriteWorkbook(to io.Writer, rows []history.CDR, columns []string) error {
	if len(columns) == 0 {
		columns = history.Columns()
	}
	places := make([]int, len(columns))
	for i, c := range columns {
		if places[i] = slices.Index(history.Columns(), c); places[i] < 0 {
			return fmt.Errorf("write CDRs: column %q: %w", c, history.ErrInvalid)
		}
	}
	w := sheet.NewWorkbook(to, columns, time.UTC)
	cells, kinds := make([]string, len(columns)), make([]sheet.Kind, len(columns))
	for i := range rows {
		texts, pointers := rows[i].Texts(), rows[i].Pointers()
		for f, place := range places {
			cells[f], kinds[f] = texts[place], sheet.Text
			if _, number := pointers[place].(*int64); number && exact(texts[place]) {
				kinds[f] = sheet.Number
			}
		}
		if err := w.Row(cells, kinds); err != nil {
			return fmt.Errorf("write CDRs: %w", err)
		}
	}
	return w.Close()
}

// exact tells whether a spreadsheet shows a whole number to its last digit: it has 15 of
// them. Times in microseconds have 16 and stay texts.
func exact(number string) bool { return len(strings.TrimPrefix(number, "-")) <= 15 }
