package history

import (
	"database/sql/driver"
	"fmt"
	"strings"
)

// lookup is what a CDR is looked for by: its row in the table, without the key. The
// rest of a CDR is made from the call's events when it is read.
type lookup struct {
	indexed
	state    State
	setupUS  int64
	caller   string
	answered bool
	sipCode  int64
	prefix   string
	recorded bool
}

// indexed are the columns that have an index. They seldom change once they are known.
type indexed struct{ company, account, originator, terminator, called string }

func lookupOf(c *CDR) lookup {
	company, account := c.party()
	return lookup{
		indexed: indexed{company, account, c.Originator, c.Terminator, c.Called},
		state:   c.State, setupUS: c.SetupUS, caller: c.Caller, answered: c.Answered,
		sipCode: c.SIPCode, prefix: c.Prefix, recorded: c.Recorded,
	}
}

// The statements that write a row. The second leaves the indexes alone, of which
// the first has to change each.
const (
	lookupColumns = "state, setup_us, caller, answered, sip_code, prefix, recorded, company, account, originator, terminator, called"
	putLookup     = "INSERT OR REPLACE INTO cdrs (" + lookupColumns + ", call, leg) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
	changeLookup  = `UPDATE cdrs SET state = ?, setup_us = ?, caller = ?, answered = ?, sip_code = ?, prefix = ?, recorded = ?
 WHERE call = ? AND leg = ?`
)

// plain and parties give the columns in the order of the statements.
func (l *lookup) plain(into []driver.NamedValue) []driver.NamedValue {
	number := func(is bool) (n int64) {
		if is {
			n = 1
		}
		return n
	}
	into = bind(bind(bind(into, string(l.state)), l.setupUS), l.caller)
	return bind(bind(bind(bind(into, number(l.answered)), l.sipCode), l.prefix), number(l.recorded))
}

func (l *lookup) parties(into []driver.NamedValue) []driver.NamedValue {
	return bind(bind(bind(bind(bind(into, l.company), l.account), l.originator), l.terminator), l.called)
}

// pointers are where the columns are read to, in the order of lookupColumns.
func (l *lookup) pointers() []any {
	return []any{
		&l.state, &l.setupUS, &l.caller, &l.answered, &l.sipCode, &l.prefix, &l.recorded,
		&l.company, &l.account, &l.originator, &l.terminator, &l.called,
	}
}

// differ tells in what the stored row differs from what the events give.
func (l *lookup) differ(want lookup) string {
	var out []string
	have, should := l.pointers(), want.pointers()
	for i, name := range strings.Split(lookupColumns, ", ") {
		if v, w := text(have[i]), text(should[i]); v != w {
			out = append(out, fmt.Sprintf("%s is %q in the table, the events give %q", name, v, w))
		}
	}
	return strings.Join(out, "; ")
}
