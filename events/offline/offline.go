// Package offline says which calls a node may let through while the book is
// silent. An account's allowance is a grant to each node: so many calls and so
// much money, used up by the calls that the node has let through and not written
// up yet, also across restarts. It reads no clock and keeps no file: who uses it
// writes each call down before its INVITE goes out, and folds the file again when
// it starts.
package offline

import (
	"cmp"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

// maxCalls bounds the calls that wait for their write-up, of all accounts.
const maxCalls = 10_000

// Used is what is used up of a grant.
type Used struct {
	Calls  uint32
	Amount money.Amount
}

// Calls are a node's offline calls that are not in the book. It belongs to one
// goroutine at a time.
type Calls struct {
	last  uint64
	calls map[uint64]kept
	used  map[string]Used // by account
}

type kept struct {
	call  *wire.OfflineCall
	gross money.Amount
}

// New begins behind the last number that is in the book.
func New(through uint64) *Calls {
	return &Calls{last: through, calls: map[uint64]kept{}, used: map[string]Used{}}
}

// Used is what the node's calls have used of an account's grant: for a call that
// goes on what its allowed time may cost, for one that has ended its price.
func (c *Calls) Used(account string) Used { return c.used[account] }

// Left is what the account's grant still has for this node.
func (c *Calls) Left(a *wire.Account) Used {
	used := c.used[a.GetId()]
	return Used{
		Calls:  a.GetOfflineCalls() - min(used.Calls, a.GetOfflineCalls()),
		Amount: max(0, money.Amount(a.GetOfflineMicro())-used.Amount),
	}
}

// Let decides whether a call may go out, and for how long it may talk at first. o
// is the call as it would be routed: payer, terms, candidates, limits of time,
// placed_at_us. The answer is o with its number and paid_ms: write it down, then
// Record it. A call that nobody pays for, and one to an emergency number, is always
// let through, and gets more time whenever it is asked for. Refusals are
// events.CodeUnavailable: the book would have to decide.
func (c *Calls) Let(a *wire.Account, o *wire.OfflineCall) (*wire.OfflineCall, error) {
	first := int64(ledger.PeriodMS)
	if granted(o) {
		switch {
		case len(c.calls) >= maxCalls:
			return nil, refuse("%d calls wait for the book already", maxCalls)
		case a.GetId() != o.Payer || a.GetDisabled():
			return nil, refuse("account %s is disabled or not there", o.Payer)
		case c.Left(a).Calls == 0:
			return nil, refuse("account %s has used up its %d offline calls on this node", a.Id, a.OfflineCalls)
		}
		first = max(first, rating.ShortestMS(o.Sell))
	}
	paid, err := c.longest(o, c.Left(a).Amount, min(first, o.MaxMs))
	if err != nil {
		return nil, err
	}
	if paid == 0 {
		return nil, refuse("account %s has %s left of its offline allowance on this node: too little for this call", o.Payer, c.Left(a).Amount)
	}
	let := proto.CloneOf(o)
	let.Number, let.Running, let.PaidMs = c.last+1, true, paid
	return let, nil
}

// Longer decides on more time for a call that goes on. The answer is the call with
// more paid_ms: write it down, then Record it.
func (c *Calls) Longer(a *wire.Account, number uint64) (*wire.OfflineCall, error) {
	k, ok := c.calls[number]
	if !ok || !k.call.Running {
		return nil, events.NotFound("offline call %d does not go on, or is in the book", number)
	}
	period := int64(ledger.PeriodMS)
	if granted(k.call) {
		period = max(period, int64(k.call.Sell.IntervalNextS)*1000)
	}
	paid, err := c.longest(k.call, c.Left(a).Amount+k.gross, min(k.call.PaidMs+period, k.call.MaxMs))
	if err != nil {
		return nil, err
	}
	if paid <= k.call.PaidMs {
		return nil, refuse("offline call %d has no more time: its allowance, or its longest duration, is reached", number)
	}
	longer := proto.CloneOf(k.call)
	longer.PaidMs = paid
	return longer, nil
}

func (c *Calls) longest(o *wire.OfflineCall, left money.Amount, capMS int64) (int64, error) {
	if !granted(o) {
		return capMS, nil
	}
	return rating.LongestFrom(o.Sell, ledger.OfflineStart(o), left, capMS)
}

// Record takes a call as it was written down: let through, allowed more time, or
// ended. The same record again changes nothing.
func (c *Calls) Record(o *wire.OfflineCall) error {
	gross, err := ledger.OfflineGross(o)
	if err != nil {
		return err
	}
	old, known := c.calls[o.Number]
	switch {
	case known && string(old.call.Call) != string(o.Call):
		return events.Refuse(events.CodeConflict, "offline call %d is another call", o.Number)
	case !known && o.Number <= c.last:
		return nil // written up meanwhile
	case !known && o.Number != c.last+1:
		return events.Refuse(events.CodeConflict, "offline call %d was written down behind %d", o.Number, c.last)
	}
	c.last = max(c.last, o.Number)
	c.calls[o.Number] = kept{o, gross}
	if granted(o) {
		used := c.used[o.Payer]
		if !known {
			used.Calls++
		}
		used.Amount += gross - old.gross
		c.used[o.Payer] = used
	}
	return nil
}

// Written forgets the calls up to a number: they are in the book, and the grants
// that they used are renewed.
func (c *Calls) Written(through uint64) {
	for number, k := range c.calls {
		if number > through {
			continue
		}
		delete(c.calls, number)
		if !granted(k.call) {
			continue
		}
		used := c.used[k.call.Payer]
		used.Calls--
		used.Amount -= k.gross
		if c.used[k.call.Payer] = used; used == (Used{}) {
			delete(c.used, k.call.Payer)
		}
	}
	c.last = max(c.last, through)
}

// granted tells whether a call uses up its payer's grant.
func granted(o *wire.OfflineCall) bool { return o.Payer != "" && o.Emergency == "" }

// Waiting are up to n calls to be written up next, by number.
func (c *Calls) Waiting(n int) []*wire.OfflineCall {
	var out []*wire.OfflineCall
	for _, k := range slices.SortedFunc(maps.Values(c.calls), func(a, b kept) int { return cmp.Compare(a.call.Number, b.call.Number) }) {
		if len(out) == n {
			break
		}
		out = append(out, k.call)
	}
	return out
}

func refuse(format string, args ...any) error {
	return events.Refuse(events.CodeUnavailable, "the book does not answer: "+format, args...)
}
