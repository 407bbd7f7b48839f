package interconnect

import (
	"bytes"
	"fmt"
	"strings"
)

// linesOfPage is how many lines stand on a page of A4, in 10 points.
const linesOfPage = 54

// PDF is the sheet as pages of A4, with a note such as its date at the foot of each. It
// needs one of the fonts only that every reader has (PDF 1.4, section 5.5.1).
func (s Sheet) PDF(note string) []byte {
	lines := s.lines()
	var pages [][]string
	for len(lines) > linesOfPage {
		pages, lines = append(pages, lines[:linesOfPage]), lines[linesOfPage:]
	}
	pages = append(pages, lines)
	var b bytes.Buffer
	var at []int
	object := func(format string, args ...any) {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n", len(at))
		fmt.Fprintf(&b, format, args...)
		b.WriteString("\nendobj\n")
	}
	b.WriteString("%PDF-1.4\n")
	var kids []string
	for i := range pages {
		kids = append(kids, fmt.Sprintf("%d 0 R", 4+2*i))
	}
	object("<< /Type /Catalog /Pages 2 0 R >>")
	object("<< /Type /Pages /Count %d /Kids [%s] >>", len(pages), strings.Join(kids, " "))
	object("<< /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /WinAnsiEncoding >>")
	for i, page := range pages {
		object("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F 3 0 R >> >> /Contents %d 0 R >>", 5+2*i)
		content := drawing(page, fmt.Sprintf("%s   page %d of %d", note, i+1, len(pages)))
		object("<< /Length %d >>\nstream\n%s\nendstream", len(content), content)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
	for _, offset := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(at)+1, start)
	return b.Bytes()
}

// drawing writes lines from the top and one at the foot.
func drawing(lines []string, foot string) string {
	var b strings.Builder
	b.WriteString("BT /F 10 Tf 13.5 TL 45 790 Td\n")
	for _, l := range lines {
		fmt.Fprintf(&b, "(%s) Tj T*\n", escape(l))
	}
	fmt.Fprintf(&b, "ET\nBT /F 8 Tf 45 30 Td (%s) Tj ET", escape(foot))
	return b.String()
}

// escape makes text a PDF string: what is beyond Latin 1 becomes a question mark.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '(' || r == ')' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r > '~':
			if r >= 0xa0 && r <= 0xff {
				fmt.Fprintf(&b, "\\%03o", r)
			} else {
				b.WriteByte('?')
			}
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
