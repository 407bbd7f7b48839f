// Package sheet reads and writes price lists as the files that people send: CSV
// and XLSX. It bounds what a file may unpack to before it is unpacked.
package sheet

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"fmt"
	"io"

	"github.com/xuri/excelize/v2"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/rating"
)

const (
	// MaxFile bounds a file, in bytes.
	MaxFile = 256 << 20
	// maxUnzipped bounds what an XLSX file unpacks to; maxInMemory is how much of
	// one part is kept in memory, the rest goes to a temporary file.
	maxUnzipped = 1 << 30
	maxInMemory = 16 << 20
	// maxRatio is how many times larger than the file its parts may be: a table of
	// prices shrinks to a tenth, a bomb to a thousandth.
	maxRatio = 200
	maxParts = 1000
)

// Read feeds a sheet with a file, whichever of the two kinds it is. What is wrong
// with the file is noted in the sheet.
func Read(data []byte, to *rating.Sheet) {
	switch {
	case len(data) > MaxFile:
		to.Fault(0, "", events.Invalid("the file has %d bytes; at most %d are allowed", len(data), MaxFile))
	case bytes.HasPrefix(data, []byte("PK")):
		if err := readXLSX(data, to); err != nil {
			to.Fault(0, "", err)
		}
	default:
		to.ReadCSV(data)
	}
}

// checkParts refuses an archive that would unpack to far more than it is.
func checkParts(data []byte) error {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return events.Invalid("the file is no XLSX: %v", err)
	}
	if len(z.File) > maxParts {
		return events.Invalid("the file has %d parts; at most %d are allowed", len(z.File), maxParts)
	}
	total := uint64(0)
	for _, f := range z.File {
		total += min(f.UncompressedSize64, maxUnzipped+1)
		if total > maxUnzipped || f.UncompressedSize64 > 1<<20 && f.UncompressedSize64 > maxRatio*max(1, f.CompressedSize64) {
			return events.Invalid("the file unpacks to more than is allowed: its part %.60q has %d bytes in %d", f.Name, f.UncompressedSize64, f.CompressedSize64)
		}
	}
	return nil
}

func readXLSX(data []byte, to *rating.Sheet) (err error) {
	if err := checkParts(data); err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil { // a stranger's file must not end the node
			err = events.Invalid("the file is no XLSX that can be read: %v", p)
		}
	}()
	f, err := excelize.OpenReader(bytes.NewReader(data), excelize.Options{
		UnzipSizeLimit: maxUnzipped, UnzipXMLSizeLimit: maxInMemory, RawCellValue: true,
	})
	if err != nil {
		return events.Invalid("the file is no XLSX: %v", err)
	}
	defer func() { _ = f.Close() }() // it was only read, or has been written whole
	to.Typed = true
	sheets := f.GetSheetList()
	if len(sheets) == 0 {
		return events.Invalid("the file has no sheet")
	}
	rows, err := f.Rows(sheets[0])
	if err != nil {
		return events.Invalid("the sheet %.60q cannot be read: %v", sheets[0], err)
	}
	defer func() { _ = rows.Close() }()
	for line := 1; rows.Next(); line++ {
		cells, err := rows.Columns()
		if err != nil {
			return events.Invalid("line %d cannot be read: %v", line, err)
		}
		if len(cells) > 0 && !to.Line(line, cells) {
			break
		}
	}
	if err := rows.Error(); err != nil {
		return events.Invalid("the sheet %.60q cannot be read: %v", sheets[0], err)
	}
	return nil
}

// WriteCSV writes rows with every column.
func WriteCSV(w io.Writer, rows []rating.Row) error {
	out := csv.NewWriter(w)
	if err := out.Write(rating.Columns()); err != nil {
		return err
	}
	for i := range rows {
		if err := out.Write(rows[i].Fields()); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// maxLines is how many lines a sheet of XLSX has.
const maxLines = 1_048_576

// WriteXLSX writes rows with every column. All cells are texts, so that no
// program rounds a price or takes a prefix for a number.
func WriteXLSX(w io.Writer, rows []rating.Row) error {
	if len(rows) >= maxLines {
		return events.Invalid("a sheet has at most %d lines: export CSV", maxLines)
	}
	f := excelize.NewFile()
	defer func() { _ = f.Close() }() // it was only read, or has been written whole
	out, err := f.NewStreamWriter("Sheet1")
	if err != nil {
		return fmt.Errorf("write XLSX: %w", err)
	}
	line := func(n int, fields []string) error {
		cells := make([]any, len(fields))
		for i, c := range fields {
			cells[i] = c
		}
		return out.SetRow(fmt.Sprintf("A%d", n), cells)
	}
	if err := line(1, rating.Columns()); err != nil {
		return fmt.Errorf("write XLSX: %w", err)
	}
	for i := range rows {
		if err := line(i+2, rows[i].Fields()); err != nil {
			return fmt.Errorf("write XLSX: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write XLSX: %w", err)
	}
	_, err = f.WriteTo(w)
	return err
}
