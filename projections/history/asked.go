package history

import (
	"fmt"
	"strings"
)

// Asked is a page of CDRs as a question to a ClickHouse server, whose columns have the
// same names as the embedded store's.
type Asked struct {
	// Where is the condition, with question marks for Args, and Order what comes first.
	Where string
	Args  []any
	Order string
	// Size is how many rows are wanted, one more than the page has.
	Size int
	page Page
}

// Ask puts a page's question. Call ids are texts there, which sort as the ids do.
func Ask(f Filter, page Page) (Asked, error) {
	size, err := page.size()
	if err == nil {
		err = f.check()
	}
	if err != nil {
		return Asked{}, fmt.Errorf("query CDRs: %w", err)
	}
	a := Asked{Order: "call DESC, leg DESC", Size: size + 1, page: page}
	c, than := f.condition(), "<"
	if page.Backward() {
		a.Order, than = "call, leg", ">"
	}
	if cursor := page.cursor(); cursor != "" {
		call, leg, err := parseCDRCursor(cursor)
		if err != nil {
			return Asked{}, fmt.Errorf("query CDRs: %w", err)
		}
		c.when(true, "(call "+than+" ? OR call = ? AND leg "+than+" ?)", call[:], call[:], leg)
	}
	// A day narrows what the server reads; the call's id has it.
	c.when(!f.Call.IsZero(), "day = ?", string(callDay(f.Call)))
	c.when(f.FromUS > 0, "day >= ?", string(DayOf(f.FromUS-slackAfterUS)))
	c.when(f.ToUS > 0, "day <= ?", string(DayOf(f.ToUS+slackBeforeUS)))
	for _, arg := range c.args {
		switch v := arg.(type) {
		case []byte:
			id, _ := callIDFrom(v)
			a.Args = append(a.Args, id.String())
		case bool:
			n := 0
			if v {
				n = 1
			}
			a.Args = append(a.Args, n)
		default:
			a.Args = append(a.Args, arg)
		}
	}
	a.Where = strings.ReplaceAll(c.where(), "+called", "called")
	return a, nil
}

// Page makes the answer of rows that came in the question's order. A partner's filter
// has what he may not see blanked.
func (a Asked) Page(f Filter, rows []CDR) CDRPage {
	more := len(rows) >= a.Size
	rows = rows[:min(len(rows), a.Size-1)]
	if f.Partner != "" {
		for i := range rows {
			rows[i], _ = rows[i].ForPartner(f.Partner)
		}
	}
	if a.page.Backward() {
		for i, j := 0, len(rows)-1; i < j; i, j = i+1, j-1 {
			rows[i], rows[j] = rows[j], rows[i]
		}
	}
	result := CDRPage{Rows: rows, PageInfo: a.page.info(more)}
	if len(rows) > 0 {
		result.Start, result.End = rows[0].Cursor(), rows[len(rows)-1].Cursor()
	}
	return result
}
