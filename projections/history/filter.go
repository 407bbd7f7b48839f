package history

import (
	"fmt"
	"strings"

	"github.com/tollbook/tollbook/events"
)

// Filter chooses CDRs. Its zero value takes all of them; what is set must hold together.
type Filter struct {
	// FromUS and ToUS bound the leg's setup: UTC microseconds, half-open, 0 is open.
	FromUS, ToUS int64
	// Company takes the rows that belong to a company: leg 0 of its calls, and
	// the attempts at it.
	Company string
	// Partner does the same, and blanks what that company may not see, as
	// CDR.ForPartner does.
	Partner string
	// Account is the row's own: the customer's on leg 0, the vendor's on others.
	Account string
	// Originator takes the legs of its calls, Terminator the attempts at it.
	Originator string
	Terminator string
	// Caller and Called are prefixes of the numbers on the leg's wire.
	Caller string
	Called string
	// Answered, if not nil, takes answered or unanswered legs.
	Answered  *bool
	State     State
	Direction Direction
	// SIPCode is the leg's final answer; 0 is any.
	SIPCode int64
	// Recorded, if not nil, takes legs of calls that were recorded, or that were not.
	Recorded *bool
	// Prefix is the price's prefix, exactly.
	Prefix string
	// Call takes the legs of one call.
	Call events.CallID
}

// condition collects the parts of a WHERE clause, all of which must hold.
type condition struct {
	parts []string
	args  []any
}

// when adds a part if it is wanted.
func (c *condition) when(wanted bool, part string, args ...any) {
	if wanted {
		c.parts = append(c.parts, part)
		c.args = append(c.args, args...)
	}
}

// where returns the clause, empty if there is nothing to hold.
func (c *condition) where() string {
	if len(c.parts) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.parts, " AND ")
}

// How much a leg's setup may lie before or after the time in its call's id: a
// node's clock may be set back, and a call may hunt for a long time.
const (
	slackBeforeUS = 10 * 60 * 1000 * 1000
	slackAfterUS  = 4 * hourUS
)

// selectiveDigits is the length from which a prefix of the called number is
// looked up by its index. The matches of a shorter one are too many to sort: the
// plus keeps SQLite to the order of time, where it soon has a page of them.
const selectiveDigits = 8

// condition is the only place where a filter becomes SQL. Values are always
// arguments, column names are written here.
func (f Filter) condition() condition {
	var c condition
	partner := f.Partner != ""
	from, to := callBound(f.FromUS-slackAfterUS), callBound(f.ToUS+slackBeforeUS)
	c.when(f.FromUS > 0, "call >= ? AND setup_us >= ?", from[:], f.FromUS)
	c.when(f.ToUS > 0, "call <= ? AND setup_us < ?", to[:], f.ToUS)
	c.when(partner, "company = ?", f.Partner)
	c.when(f.Company != "", "company = ?", f.Company)
	c.when(f.Account != "", "account = ?", f.Account)
	c.when(f.Originator != "", "originator = ?", f.Originator)
	// A vendor must not find out by asking whose call he was given.
	c.when(f.Originator != "" && partner, "leg = 0")
	c.when(f.Terminator != "", "terminator = ? AND terminator > ''", f.Terminator)
	c.when(f.Caller != "", "caller >= ? AND caller < ?", f.Caller, after(f.Caller))
	called := "called >= ? AND called < ?"
	if len(f.Called) < selectiveDigits {
		called = "+called >= ? AND +called < ?"
	}
	c.when(f.Called != "", called, f.Called, after(f.Called))
	c.when(f.Answered != nil, "answered = ?", f.Answered != nil && *f.Answered)
	c.when(f.Recorded != nil, "recorded = ?", f.Recorded != nil && *f.Recorded)
	c.when(f.Recorded != nil && partner, "1 = 0") // what we keep is no partner's business
	c.when(f.State == Pending, "state = 'pending'")
	c.when(f.State != "" && f.State != Pending, "state = ?", string(f.State))
	c.when(f.Direction == Ingress, "leg = 0")
	c.when(f.Direction == Egress, "leg > 0")
	c.when(f.SIPCode != 0, "sip_code = ?", f.SIPCode)
	c.when(f.Prefix != "", "prefix = ?", f.Prefix)
	c.when(!f.Call.IsZero(), "call = ?", f.Call[:])
	return c
}

// check refuses what no filter can mean.
func (f Filter) check() error {
	switch f.State {
	case "", Pending, Final, Lost:
	default:
		return fmt.Errorf("state %q: %w", f.State, ErrInvalid)
	}
	switch f.Direction {
	case Any, Ingress, Egress:
	default:
		return fmt.Errorf("direction %q: %w", f.Direction, ErrInvalid)
	}
	return nil
}

// takes says whether a day's file can have rows for the filter.
func (f Filter) takes(day Day) bool {
	switch {
	case !f.Call.IsZero():
		return day == callDay(f.Call)
	case f.FromUS > 0 && day < DayOf(f.FromUS-slackAfterUS):
		return false
	case f.ToUS > 0 && day > DayOf(f.ToUS+slackBeforeUS):
		return false
	}
	return true
}

// Reaches says whether the filter can take calls that began before a day.
func (f Filter) Reaches(day Day) bool {
	switch {
	case day == "":
		return false
	case !f.Call.IsZero():
		return callDay(f.Call) < day
	}
	return f.FromUS <= 0 || DayOf(f.FromUS-slackAfterUS) < day
}

// after is a text above every text that starts with prefix.
func after(prefix string) string { return prefix + "\U0010FFFF" }
