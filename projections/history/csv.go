package history

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"strings"
)

// WriteCSV writes the rows that a filter takes, newest first, with a header of
// Columns. Numbers are written as they are stored: micro-units, nano-units,
// microseconds; booleans are true and false. A text that a
// spreadsheet would run as a formula gets a ' before it: names come from strangers.
func (s *Store) WriteCSV(ctx context.Context, to io.Writer, filter Filter) error {
	w := csv.NewWriter(to)
	fields := columnNames()
	if err := w.Write(fields); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	var pointed []any
	err := s.Stream(ctx, filter, func(c *CDR) error {
		pointed = pointers(c, pointed[:0])
		for i, p := range pointed {
			fields[i] = cell(text(p))
		}
		return w.Write(fields)
	})
	if err == nil {
		w.Flush()
		err = w.Error()
	}
	if err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}

// cell disarms a text that a spreadsheet would take for a formula. Telephone
// numbers with a plus and negative amounts are none.
func cell(text string) string {
	if text == "" {
		return ""
	}
	switch text[0] {
	case '=', '@', '\t', '\r':
		return "'" + text
	case '+', '-':
		if strings.Trim(text[1:], "0123456789") != "" {
			return "'" + text
		}
	}
	return text
}
