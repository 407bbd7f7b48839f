package ledger

import (
	"fmt"
	"slices"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

const (
	// PeriodMS is the talk time that a hold covers at first, and that each
	// extension adds: a minute, or the deck's shortest billable time if longer.
	PeriodMS = 60_000
	// graceUS is how long after the end of its paid time a hold stays open for
	// its charge to arrive.
	graceUS = 60_000_000

	maxLines      = 4
	maxCandidates = 8
	maxSetupMS    = 10 * 60_000
)

// Deciding is what a decision is made on beside the ledger itself.
type Deciding struct {
	// NowUS is the block's time.
	NowUS   int64
	Catalog *catalog.State
	Command *wire.Command
	// Pace counts a call of somebody who may have so many a second, and tells whether he
	// may have this one; nil counts none.
	Pace func(who string, perSecond uint32) bool
}

// PlaceHold decides whether a call is let through, and for how long its payers'
// money lasts at first.
func (s *State) PlaceHold(d Deciding, p *wire.PlaceHold) (*wire.HoldPlaced, error) {
	id, err := events.CallIDFrom(p.Call)
	if err != nil {
		return nil, err
	}
	if _, ok := s.holds[id]; ok {
		return nil, events.Refuse(events.CodeConflict, "call %s has a hold already", id)
	}
	if _, ok := s.closed[id]; ok {
		return nil, events.Refuse(events.CodeConflict, "call %s is closed", id)
	}
	if err := s.checkHold(d, p); err != nil {
		return nil, err
	}
	placed := &wire.HoldPlaced{
		Call: p.Call, Node: d.Command.Node, Route: p.Route, SetupMs: p.SetupMs, MaxMs: p.MaxMs, Emergency: p.Emergency,
	}
	capMS := int64(PeriodMS)
	for _, l := range p.Lines {
		placed.Lines = append(placed.Lines, &wire.HoldLine{
			Leg: l.Leg, Payer: l.Payer, Originator: l.Originator, Sell: l.Sell, LimitPrefixes: l.LimitPrefixes, Did: l.Did,
			Package: l.Package,
		})
		if l.Payer != "" {
			capMS = max(capMS, rating.ShortestMS(l.Sell))
		}
	}
	paid, shares, err := s.allowed(d.Catalog, placed, setupOf(d.NowUS, p.SetupMs), min(capMS, p.MaxMs))
	if err != nil {
		return nil, err
	}
	if paid == 0 {
		return nil, insufficient(placed.Lines)
	}
	for i, sh := range shares {
		placed.Lines[i].AmountMicro, placed.Lines[i].PackageMicro = int64(sh.amount), sh.seconds*second
	}
	if err := s.seat(d, placed); err != nil {
		return nil, err
	}
	placed.PaidMs = paid
	placed.ExpiresAtUs = d.NowUS + (p.SetupMs+paid)*1000 + graceUS
	return placed, nil
}

func insufficient(lines []*wire.HoldLine) error {
	payer := ""
	for _, l := range lines {
		if l.Payer != "" {
			payer = l.Payer
			break
		}
	}
	return events.Refuse(events.CodeInsufficientFunds, "account %s has no money for the first interval of this call", payer)
}

func (s *State) checkHold(d Deciding, p *wire.PlaceHold) error {
	switch {
	case len(p.Lines) == 0 || len(p.Lines) > maxLines:
		return events.Invalid("a hold has 1 to %d lines, not %d", maxLines, len(p.Lines))
	case len(p.Route) == 0 || len(p.Route) > maxCandidates:
		return events.Invalid("a route has 1 to %d candidates, not %d", maxCandidates, len(p.Route))
	case p.MaxMs <= 0 || p.MaxMs > rating.MaxSeconds*1000:
		return events.Invalid("the longest talk time of %d ms is not between 1 ms and 31 days", p.MaxMs)
	case p.SetupMs <= 0 || p.SetupMs > maxSetupMS:
		return events.Invalid("the longest set-up time of %d ms is not between 1 ms and 10 minutes", p.SetupMs)
	}
	for i, l := range p.Lines {
		if err := s.checkLine(d, l, p.Emergency != ""); err != nil {
			return fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	for i, c := range p.Route {
		if err := s.checkCandidate(d, c); err != nil {
			return fmt.Errorf("candidate %d: %w", i+1, err)
		}
	}
	return nil
}

// checkLine checks who pays for a leg of a call. An emergency call is not refused
// for limits, nor because its payer is shut off.
func (s *State) checkLine(d Deciding, l *wire.HoldLine, emergency bool) error {
	if err := s.checkChannels(d.Catalog.Originator(l.Originator), l.LimitPrefixes); err != nil && (!emergency || events.CodeOf(err) != events.CodeLimit) {
		return err
	}
	if l.Payer == "" {
		return nil
	}
	if emergency && l.Package != "" {
		return events.Invalid("an emergency call takes no seconds of a package")
	}
	if err := rating.CheckTerms(l.Sell); err != nil {
		return err
	}
	a := d.Catalog.Account(l.Payer)
	switch {
	case a == nil:
		return events.NotFound("there is no account %s", l.Payer)
	case a.Disabled && !emergency:
		return events.Refuse(events.CodeForbidden, "account %s is disabled", l.Payer)
	case d.Catalog.Company(a.Company).GetDisabled() && !emergency:
		return events.Refuse(events.CodeForbidden, "company %s is disabled", a.Company)
	case a.Currency != rating.Currency(l.Sell):
		return events.Invalid("account %s is in %s, the price in %s", l.Payer, a.Currency, rating.Currency(l.Sell))
	case a.Channels > 0 && !emergency && s.Balance(l.Payer).Calls >= int(a.Channels):
		return events.Refuse(events.CodeLimit, "account %s has its %d channels in use", l.Payer, a.Channels)
	}
	return checkPackage(d, a, l)
}

// checkChannels counts the open holds of an originator, in all and by the prefixes
// that it has limits for.
func (s *State) checkChannels(o *wire.Originator, prefixes []string) error {
	if len(prefixes) > len(o.GetPrefixLimits()) {
		return events.Invalid("the line counts for %d prefix limits, its originator has %d", len(prefixes), len(o.GetPrefixLimits()))
	}
	if o == nil {
		return nil
	}
	if o.Channels > 0 && s.peerCalls[o.Id] >= int(o.Channels) {
		return events.Refuse(events.CodeLimit, "originator %s has its %d channels in use", o.Id, o.Channels)
	}
	for _, p := range prefixes {
		limit := catalog.PrefixLimit(o, p)
		if limit == nil {
			return events.Invalid("originator %s has no limit for prefix %s", o.Id, p)
		}
		if limit.Channels > 0 && s.PrefixCalls(o.Id, p) >= int(limit.Channels) {
			return events.Refuse(events.CodeLimit, "originator %s has its %d channels to prefix %s in use", o.Id, limit.Channels, p)
		}
	}
	return nil
}

func (s *State) checkCandidate(d Deciding, c *wire.Candidate) error {
	if c.VendorAccount == "" {
		return nil
	}
	if err := rating.CheckTerms(c.Buy); err != nil {
		return err
	}
	a := d.Catalog.Account(c.VendorAccount)
	switch {
	case a == nil:
		return events.NotFound("there is no account %s", c.VendorAccount)
	case a.Currency != rating.Currency(c.Buy):
		return events.Invalid("account %s is in %s, the price in %s", a.Id, a.Currency, rating.Currency(c.Buy))
	}
	return nil
}

// Available is what an account may still spend: what was posted, and its credit
// limit, less what open holds reserve. A vendor's limit is what he lets us owe, and
// is not to be spent.
func (s *State) Available(c *catalog.State, account string) money.Amount {
	b, a := s.Balance(account), c.Account(account)
	if a.GetKind() == wire.AccountKind_ACCOUNT_KIND_VENDOR {
		return b.Posted - b.Held
	}
	return b.Posted + money.Amount(a.GetCreditLimitMicro()) - b.Held
}

// ExtendHold decides on more paid time for a running call. A call whose paid
// time is already beyond what the command knows of gets that as its answer, with
// nothing to record.
func (s *State) ExtendHold(d Deciding, x *wire.ExtendHold) (*wire.HoldExtended, *Hold, error) {
	id, h, err := s.owned(d, x.Call)
	if err != nil {
		return nil, nil, err
	}
	if h.PaidMs > x.PaidMs {
		return nil, h, nil
	}
	if h.PaidMs >= h.MaxMs {
		return nil, nil, events.Refuse(events.CodeLimit, "call %s has reached its longest duration", id)
	}
	period := int64(PeriodMS)
	for _, l := range h.Lines {
		if l.Payer != "" {
			period = max(period, int64(l.Sell.IntervalNextS)*1000)
		}
	}
	answered := min(max(x.AnsweredAtUs, h.PlacedAtUS), d.NowUS)
	paid, shares, err := s.allowed(d.Catalog, h.HoldPlaced, answeredAt(answered), min(h.PaidMs+period, h.MaxMs))
	if err != nil {
		return nil, nil, err
	}
	if paid <= h.PaidMs {
		return nil, nil, insufficient(h.Lines)
	}
	ext := &wire.HoldExtended{Call: x.Call, PaidMs: paid}
	packaged := slices.ContainsFunc(h.Lines, func(l *wire.HoldLine) bool { return l.Package != "" })
	for _, sh := range shares {
		ext.AmountsMicro = append(ext.AmountsMicro, int64(sh.amount))
		if packaged {
			ext.PackageMicro = append(ext.PackageMicro, sh.seconds*second)
		}
	}
	ext.ExpiresAtUs = answered + paid*1000 + graceUS
	return ext, h, nil
}

// owned finds an open hold and checks that it is the asking node's.
func (s *State) owned(d Deciding, call []byte) (events.CallID, *Hold, error) {
	id, err := events.CallIDFrom(call)
	if err != nil {
		return id, nil, err
	}
	h, ok := s.holds[id]
	if !ok {
		return id, nil, events.NotFound("call %s has no open hold", id)
	}
	if h.Node != d.Command.Node {
		return id, nil, events.Refuse(events.CodeConflict, "call %s belongs to node %s", id, h.Node)
	}
	return id, h, nil
}

// ReleaseHold decides to close the hold of a call that was never answered. A
// call without an open hold needs no event, one of another node's is not closed.
func (s *State) ReleaseHold(d Deciding, r *wire.ReleaseHold) (*wire.HoldReleased, error) {
	id, err := events.CallIDFrom(r.Call)
	if err != nil {
		return nil, err
	}
	h, ok := s.holds[id]
	switch {
	case !ok:
		return nil, nil
	case d.Command.Node != "" && d.Command.Node != h.Node:
		return nil, events.Refuse(events.CodeConflict, "call %s belongs to node %s", id, h.Node)
	}
	return &wire.HoldReleased{Call: r.Call, Reason: r.Reason}, nil
}

// ClaimHold decides to give a running call to the asking node. A claim that names the
// node which the call is taken from is refused once another one has taken it.
func (s *State) ClaimHold(d Deciding, c *wire.ClaimHold) (*wire.HoldClaimed, error) {
	id, err := events.CallIDFrom(c.Call)
	if err != nil {
		return nil, err
	}
	h, ok := s.holds[id]
	if !ok {
		return nil, events.NotFound("call %s has no open hold", id)
	}
	switch {
	case h.Node == d.Command.Node:
		return nil, nil
	case c.From != "" && c.From != h.Node:
		return nil, events.Refuse(events.CodeConflict, "call %s belongs to node %s, not to %s any more", id, h.Node, c.From)
	}
	return &wire.HoldClaimed{Call: c.Call, FromNode: h.Node, ToNode: d.Command.Node}, nil
}

// Expired lists open holds whose time, with the grace for a late charge, is over.
func (s *State) Expired(nowUS int64) []events.CallID {
	var out []events.CallID
	for id, h := range s.holds {
		if h.ExpiresAtUs < nowUS {
			out = append(out, id)
		}
	}
	return out
}
