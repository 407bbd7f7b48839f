package history

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// WriteCSV writes the rows that a filter takes, newest first, with a header of
// Columns. Numbers are written as they are stored: micro-units, nano-units,
// microseconds; booleans are true and false. A text that a
// spreadsheet would run as a formula gets a ' before it: names come from strangers.
func (s *Store) WriteCSV(ctx context.Context, to io.Writer, filter Filter) error {
	return WriteCSV(to, func(each func(*CDR) error) error { return s.Stream(ctx, filter, each) })
}

// WriteCSV does the same with rows that come one by one.
func WriteCSV(to io.Writer, rows func(each func(*CDR) error) error) error {
	w := csv.NewWriter(to)
	fields := columnNames()
	if err := w.Write(fields); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	var pointed []any
	err := rows(func(c *CDR) error {
		pointed = pointers(c, pointed[:0])
		for i, p := range pointed {
			fields[i] = Cell(text(p))
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

// WriteRows writes CDRs with a header: some columns, or all where none are named. With
// pipes, fields are parted by | and have none, nor line ends, in them.
func WriteRows(to io.Writer, rows []CDR, columns []string, pipes bool) error {
	names := columnNames()
	if len(columns) == 0 {
		columns = names
	}
	places := make([]int, len(columns))
	for i, c := range columns {
		if places[i] = slices.Index(names, c); places[i] < 0 {
			return fmt.Errorf("write CDRs: column %q: %w", c, ErrInvalid)
		}
	}
	w, fields, plain := csv.NewWriter(to), make([]string, len(columns)), strings.NewReplacer("|", " ", "\n", " ", "\r", " ")
	write := func(fields []string) error {
		if !pipes {
			return w.Write(fields)
		}
		_, err := io.WriteString(to, strings.Join(fields, "|")+"\n")
		return err
	}
	err := write(columns)
	for i := range rows {
		pointed := pointers(&rows[i], nil)
		for f, place := range places {
			if fields[f] = text(pointed[place]); pipes {
				fields[f] = plain.Replace(fields[f])
			} else {
				fields[f] = Cell(fields[f])
			}
		}
		err = errors.Join(err, write(fields))
	}
	w.Flush()
	return errors.Join(err, w.Error())
}

// Cell disarms a text that a spreadsheet would take for a formula. Telephone
// numbers with a plus and negative amounts are none.
func Cell(text string) string {
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
