package state

import (
	"bytes"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

// Auditor folds a book anew and checks every event against the rules it should
// have been decided by, trusting no recorded figure.
type Auditor struct {
	State *State
	// Charges, Holds, Postings, offline calls and Periods count what was checked.
	Charges, Holds, Postings, Offline, Periods int
	// Overspent counts accounts that a hold or debit left with less than nothing.
	Overspent int
	// reserved is what each line of the hold that the present event extends had of
	// its package.
	reserved []int64
}

// NewAuditor begins with an empty book.
func NewAuditor() *Auditor { return &Auditor{State: New()} }

// Check folds one event and reports the first rule that it breaks.
func (a *Auditor) Check(timeUS int64, e *wire.Event) error {
	pos := a.State.Position + 1
	if err := a.before(timeUS, e); err != nil {
		return fmt.Errorf("book position %d: %w", pos, err)
	}
	if err := a.State.Evolve(timeUS, e); err != nil {
		return err
	}
	if err := a.after(e); err != nil {
		return fmt.Errorf("book position %d: %w", pos, err)
	}
	return nil
}

func (a *Auditor) before(timeUS int64, e *wire.Event) error {
	if p := e.GetPeriodClosed(); p != nil {
		a.Periods++
		if last := a.State.Ledger.Period(p.Account); p.FromUs != last.GetToUs() || p.ToUs > timeUS {
			return fmt.Errorf("the period of account %s begins where the one before does not end, or ends in the future", p.Account)
		}
		if hash := a.State.Hash(); !bytes.Equal(p.StateHash, hash.Bytes()) || p.Through != uint64(a.State.Position) {
			return fmt.Errorf("the period of account %s names another state of the book than that before it", p.Account)
		}
		return nil
	}
	if u := e.GetOfflineWrittenUp(); u != nil {
		return a.writtenUp(timeUS, u)
	}
	a.reserved = nil
	if mark := e.GetHoldPlaced().GetEmergency(); mark != "" && !catalog.IsEmergency(a.State.Catalog.Settings(), mark) {
		return fmt.Errorf("the hold is of an emergency call to %s, which the settings do not name", mark)
	}
	if x := e.GetHoldExtended(); len(x.GetPackageMicro()) > 0 {
		return a.extending(x)
	}
	c := e.GetCallCharged()
	if c == nil {
		return nil
	}
	a.Charges++
	id, err := events.CallIDFrom(c.Call)
	if err != nil {
		return err
	}
	h, ok := a.State.Ledger.Hold(id)
	if !ok {
		return fmt.Errorf("the charge of call %s has no open hold", id)
	}
	again, err := a.State.Ledger.Reprice(c, h)
	if err != nil {
		return fmt.Errorf("price call %s again: %w", id, err)
	}
	if c.BaseCurrency != "" {
		ledger.InBase(again, a.State.Catalog, timeUS)
	}
	if !proto.Equal(c, again) {
		return fmt.Errorf("the charge of call %s is not what its hold's terms give: recorded %s, computed %s",
			id, brief(c), brief(again))
	}
	return nil
}

// writtenUp decides on an offline call anew.
func (a *Auditor) writtenUp(timeUS int64, u *wire.OfflineWrittenUp) error {
	a.Offline++
	again, _, err := a.State.Ledger.WriteUp(timeUS, u.Node, u.Call)
	if err != nil {
		return fmt.Errorf("write up offline call %d of node %s again: %w", u.Call.GetNumber(), u.Node, err)
	}
	if !proto.Equal(u, again) {
		return fmt.Errorf("offline call %d of node %s is not what its terms give: recorded %s, computed %s",
			u.Call.GetNumber(), u.Node, brief(ledger.OfflineCharge(u)), brief(ledger.OfflineCharge(again)))
	}
	return nil
}

// extending remembers what a hold has of packages before its extension.
func (a *Auditor) extending(x *wire.HoldExtended) error {
	id, err := events.CallIDFrom(x.Call)
	if err != nil {
		return err
	}
	if h, ok := a.State.Ledger.Hold(id); ok {
		for _, l := range h.Lines {
			a.reserved = append(a.reserved, l.PackageMicro)
		}
	}
	return nil
}

func brief(c *wire.CallCharged) string {
	var b bytes.Buffer
	for _, l := range c.Lines {
		fmt.Fprintf(&b, "%s %s %s; ", l.Side, l.Account, money.Amount(l.GrossMicro))
	}
	return b.String()
}

func (a *Auditor) after(e *wire.Event) error {
	switch b := e.Body.(type) {
	case *wire.Event_HoldPlaced:
		a.Holds++
		return a.covered(b.HoldPlaced.Call, false)
	case *wire.Event_HoldExtended:
		return a.covered(b.HoldExtended.Call, true)
	case *wire.Event_MoneyPosted:
		a.Postings++
		return a.posted(b.MoneyPosted)
	case *wire.Event_AlertRaised:
		return a.balanceIs(b.AlertRaised.Account, b.AlertRaised.BalanceMicro)
	case *wire.Event_AlertCleared:
		return a.balanceIs(b.AlertCleared.Account, b.AlertCleared.BalanceMicro)
	}
	return nil
}

// covered checks that a hold, placed or extended, reserves what the time it
// allows would cost, and that it left no payer overspent.
func (a *Auditor) covered(call []byte, extended bool) error {
	id, err := events.CallIDFrom(call)
	if err != nil {
		return err
	}
	h, _ := a.State.Ledger.Hold(id)
	for i, l := range h.Lines {
		if l.Payer == "" {
			continue
		}
		cost, seconds, err := rating.ReserveBeyond(l.Sell, ledger.Reserved(h, extended), h.PaidMs, l.PackageMicro/money.MicroPerUnit)
		if err != nil {
			return fmt.Errorf("price the hold of call %s again: %w", id, err)
		}
		if seconds*money.MicroPerUnit != l.PackageMicro {
			return fmt.Errorf("the hold of call %s reserves %s s of package %q, of which it needs %d", id, money.Amount(l.PackageMicro), l.Package, seconds)
		}
		if err := a.packaged(id, i, l); err != nil {
			return err
		}
		if cost != money.Amount(l.AmountMicro) {
			return fmt.Errorf("the hold of call %s reserves %s for %d ms, which cost %s", id, money.Amount(l.AmountMicro), h.PaidMs, cost)
		}
		if l.AmountMicro == 0 || h.Emergency != "" {
			continue
		}
		if left := a.State.Ledger.Available(a.State.Catalog, l.Payer); left < 0 {
			a.Overspent++
			return fmt.Errorf("the hold of call %s leaves account %s with %s available", id, l.Payer, left)
		}
		if left, limited := a.State.Ledger.Mutual(a.State.Catalog, l.Payer); limited && left < 0 {
			a.Overspent++
			return fmt.Errorf("the hold of call %s leaves the company of account %s with %s available in all", id, l.Payer, left)
		}
	}
	return nil
}

// packaged checks that a package which gave seconds to a hold had them.
func (a *Auditor) packaged(id events.CallID, line int, l *wire.HoldLine) error {
	had := int64(0)
	if line < len(a.reserved) {
		had = a.reserved[line]
	}
	if l.PackageMicro <= had {
		return nil
	}
	if left := a.State.Ledger.Available(a.State.Catalog, l.Package); left < 0 {
		a.Overspent++
		return fmt.Errorf("the hold of call %s leaves package %s with %s s available", id, l.Package, left)
	}
	return nil
}

// balanceIs checks what an event says of an account.
func (a *Auditor) balanceIs(account string, micro int64) error {
	if have := a.State.Ledger.Balance(account).Posted; have != money.Amount(micro) {
		return fmt.Errorf("account %s has %s, the event says %s", account, have, money.Amount(micro))
	}
	return nil
}

func (a *Auditor) posted(m *wire.MoneyPosted) error {
	if m.Kind != wire.PostingKind_POSTING_KIND_DEBIT && m.Kind != wire.PostingKind_POSTING_KIND_TRANSFER {
		return nil
	}
	for _, p := range m.Postings {
		if p.AmountMicro >= 0 || ledger.IsOwn(p.Account) {
			continue
		}
		if left := a.State.Ledger.Available(a.State.Catalog, p.Account); left < 0 {
			a.Overspent++
			return fmt.Errorf("the debit leaves account %s with %s available", p.Account, left)
		}
	}
	return nil
}

// Finish checks the whole state: the ledger sums to zero in every currency, and
// the hash kept on the way is the hash of what is there.
func (a *Auditor) Finish() error {
	for c, sum := range a.State.Ledger.Sums() {
		if sum != 0 {
			return fmt.Errorf("the ledger sums to %s %s, not to zero", sum, c)
		}
	}
	if kept, anew := a.State.Hash(), a.State.Rehash(); kept != anew {
		return fmt.Errorf("the state's hash is %s, but its parts hash to %s", kept, anew)
	}
	return nil
}
