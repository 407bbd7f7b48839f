package sheet

import (
	"archive/zip"
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Kind says how a cell is shown.
type Kind int

// The kinds of cells.
const (
	// Text is shown as it is, and never run as a formula.
	Text Kind = iota
	// Number is a decimal number, digit by digit: no float is made of it here.
	Number
	// Instant is a time in RFC 3339, shown in the workbook's time zone.
	Instant
)

// maxSheetRows is what a sheet can have; the next one goes on.
const maxSheetRows = 1 << 20

// Workbook writes rows into an XLSX file (ECMA-376) as they come, and keeps none of them.
type Workbook struct {
	zip    *zip.Writer
	sheet  *bufio.Writer
	head   []string
	zone   *time.Location
	sheets int
	rows   int
	err    error
}

// NewWorkbook begins a file whose sheets all begin with a head. Times are shown in a zone.
func NewWorkbook(to io.Writer, head []string, zone *time.Location) *Workbook {
	w := &Workbook{zip: zip.NewWriter(to), head: head, zone: zone}
	w.open()
	return w
}

func (w *Workbook) part(name, text string) {
	to, err := w.zip.Create(name)
	if err == nil {
		_, err = io.WriteString(to, xml.Header+text)
	}
	w.err = errors.Join(w.err, err)
}

// open begins the next sheet.
func (w *Workbook) open() {
	w.shut()
	w.sheets++
	to, err := w.zip.Create(fmt.Sprintf("xl/worksheets/sheet%d.xml", w.sheets))
	if w.err = errors.Join(w.err, err); w.err != nil {
		return
	}
	w.sheet, w.rows = bufio.NewWriterSize(to, 64<<10), 0
	w.write(xml.Header + `<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetViews><sheetView workbookViewId="0">` +
		`<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><sheetData>`)
	w.err = errors.Join(w.err, w.Row(w.head, make([]Kind, len(w.head))))
}

func (w *Workbook) shut() {
	if w.sheet != nil && w.err == nil {
		w.write(`</sheetData></worksheet>`)
		w.err = errors.Join(w.err, w.sheet.Flush())
	}
}

func (w *Workbook) write(text string) {
	if w.err == nil {
		_, w.err = w.sheet.WriteString(text)
	}
}

// Row writes a row: its cells, and of which kind each is. What is not of its kind is text.
func (w *Workbook) Row(cells []string, kinds []Kind) error {
	if w.rows == maxSheetRows {
		w.open()
	}
	w.rows++
	w.write("<row>")
	for i, cell := range cells {
		switch number, style := w.number(cell, kinds[i]); {
		case cell == "":
			w.write("<c/>")
		case number != "":
			w.write(`<c s="` + style + `"><v>` + number + `</v></c>`)
		default:
			w.write(`<c t="inlineStr"><is><t xml:space="preserve">` + escaped(cell) + `</t></is></c>`)
		}
	}
	w.write("</row>")
	return w.err
}

// number is a cell's number and style, empty for a text.
func (w *Workbook) number(cell string, kind Kind) (number, style string) {
	switch kind {
	case Number:
		if strings.Trim(cell, "-.0123456789") == "" && len(cell) <= 40 {
			return cell, "0"
		}
	case Instant:
		if at, err := time.Parse(time.RFC3339Nano, cell); err == nil {
			return serial(at.In(w.zone)), "1"
		}
	}
	return "", ""
}

// serial is a time as spreadsheets count it: days since the end of 1899, as the wall's
// clock shows it.
func serial(at time.Time) string {
	_, offset := at.Zone()
	const dayUS = 24 * 3600 * 1_000_000
	us := at.UnixMicro() + int64(offset)*1_000_000 + 25569*dayUS
	days, rest := us/dayUS, us%dayUS
	return strconv.FormatInt(days, 10) + "." + fmt.Sprintf("%011d", rest*1_000_000/864_000)
}

// escaped is a text within XML; what XML cannot have is a question mark.
func escaped(text string) string {
	var b strings.Builder
	// A strings.Builder takes everything.
	_ = xml.EscapeText(&b, []byte(text))
	return b.String()
}

// Close ends the file.
func (w *Workbook) Close() error {
	w.shut()
	var sheets, relations, types strings.Builder
	for i := 1; i <= w.sheets; i++ {
		fmt.Fprintf(&sheets, `<sheet name="Sheet%[1]d" sheetId="%[1]d" r:id="r%[1]d"/>`, i)
		fmt.Fprintf(&relations, `<Relationship Id="r%[1]d" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet%[1]d.xml"/>`, i)
		fmt.Fprintf(&types, `<Override PartName="/xl/worksheets/sheet%d.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>`, i)
	}
	w.part("xl/workbook.xml", `<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" `+
		`xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>`+sheets.String()+`</sheets></workbook>`)
	w.part("xl/styles.xml", `<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">`+
		`<numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy\-mm\-dd\ hh:mm:ss"/></numFmts>`+
		`<fonts count="1"><font/></fonts><fills count="1"><fill/></fills><borders count="1"><border/></borders>`+
		`<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="2"><xf/><xf numFmtId="164" applyNumberFormat="1"/></cellXfs></styleSheet>`)
	w.part("xl/_rels/workbook.xml.rels", `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">`+relations.String()+
		`<Relationship Id="styles" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>`)
	w.part("_rels/.rels", `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">`+
		`<Relationship Id="book" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>`)
	w.part("[Content_Types].xml", `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">`+
		`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>`+
		`<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>`+
		`<Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/>`+types.String()+`</Types>`)
	return errors.Join(w.err, w.zip.Close())
}
