package history

import (
	"cmp"
	"slices"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/wire"
)

// fold turns a call's events, in canonical order, into its rows, by leg. Of
// several events that say the same of a leg the first counts; of several ends, that
// which the book has charged.
func fold(call events.CallID, records []record) []CDR {
	f := folding{call: call}
	for _, r := range records {
		if r.journal == bookJournal {
			f.decided(r)
		}
	}
	for _, r := range records {
		if r.journal != bookJournal {
			f.observed(r)
		}
	}
	f.fromBook()
	rows := make([]CDR, 0, len(f.legs))
	slices.SortFunc(f.legs, func(a, b *legFold) int { return cmp.Compare(a.row.Leg, b.row.Leg) })
	for _, leg := range f.legs {
		f.finish(leg)
		rows = append(rows, leg.row)
	}
	return rows
}

// folding is one run of fold.
type folding struct {
	call    events.CallID
	legs    []*legFold
	hold    *wire.HoldPlaced
	charge  *wire.CallCharged
	closed  bool
	offline bool
	holdAt  uint64
	closeAt uint64
}

// legFold is a row and what has been seen of it.
type legFold struct {
	row                        CDR
	born, rang, answered, over bool
	charged                    bool // over, as the book says
}

func (f *folding) leg(number uint32) *legFold {
	for _, leg := range f.legs {
		if leg.row.Leg == int64(number) {
			return leg
		}
	}
	leg := &legFold{row: CDR{Call: f.call, Leg: int64(number)}}
	f.legs = append(f.legs, leg)
	return leg
}

// decided takes one event of the book.
func (f *folding) decided(r record) {
	switch body := r.event.GetBody().(type) {
	case *wire.Event_HoldPlaced:
		if f.hold == nil {
			f.hold, f.holdAt = body.HoldPlaced, r.position
		}
	case *wire.Event_CallCharged:
		if f.charge == nil {
			f.charge, f.closeAt, f.closed = body.CallCharged, r.position, true
		}
	case *wire.Event_OfflineWrittenUp:
		f.writtenUp(r, body.OfflineWrittenUp)
	case *wire.Event_HoldReleased:
		if !f.closed {
			f.closeAt, f.closed = r.position, true
		}
	}
}

// writtenUp takes a call that was let through while the book was silent: running,
// it is a hold; booked, a hold and its charge in one.
func (f *folding) writtenUp(r record, u *wire.OfflineWrittenUp) {
	f.offline = true
	if f.hold == nil && (u.Hold != nil || u.Booked) {
		f.hold, f.holdAt = ledger.OfflineHold(u), r.position
	}
	if f.charge == nil && u.Booked {
		f.charge, f.closeAt, f.closed = ledger.OfflineCharge(u), r.position, true
	}
}

// observed takes one event of a log.
func (f *folding) observed(r record) {
	switch body := r.event.GetBody().(type) {
	case *wire.Event_CallReceived:
		f.received(body.CallReceived)
	case *wire.Event_AttemptStarted:
		f.attempted(body.AttemptStarted, nodeOf(r.journal))
	case *wire.Event_LegRinging:
		leg := f.leg(body.LegRinging.GetLeg())
		if !leg.rang {
			leg.rang = true
			leg.row.RingingUS = body.LegRinging.GetAtUs()
			leg.row.EarlyMedia = body.LegRinging.GetEarlyMedia()
		}
	case *wire.Event_LegAnswered:
		f.answered(body.LegAnswered)
	case *wire.Event_LegEnded:
		f.ended(body.LegEnded, nodeOf(r.journal))
	}
}

func (f *folding) received(e *wire.CallReceived) {
	leg := f.leg(0)
	if leg.born {
		return
	}
	leg.born = true
	row := &leg.row
	row.Node, row.SIPCallID, row.SetupUS = e.GetNode(), e.GetSipCallId(), e.GetAtUs()
	row.CustomerCompany, row.CustomerAccount = e.GetCompany(), e.GetAccount()
	row.Originator = e.GetOriginator()
	row.Caller, row.CallerName, row.Called = e.GetCaller(), e.GetCallerName(), e.GetCalled()
	row.CallerRouted, row.CalledRouted = e.GetCallerRouted(), e.GetCalledRouted()
	row.Diversion, row.AssertedIdentity = e.GetDiversion(), e.GetAssertedIdentity()
	row.Remote, row.Transport = e.GetSource(), e.GetTransport()
	row.UserAgent = e.GetUserAgent()
}

func (f *folding) attempted(e *wire.AttemptStarted, node string) {
	leg := f.leg(e.GetLeg())
	if leg.born || e.GetLeg() == 0 {
		return
	}
	leg.born = true
	row := &leg.row
	row.Node, row.SIPCallID, row.SetupUS = node, e.GetSipCallId(), e.GetAtUs()
	row.VendorCompany, row.VendorAccount = e.GetCompany(), e.GetAccount()
	row.Terminator, row.Route = e.GetTerminator(), e.GetRoute()
	row.Caller, row.Called = e.GetCallerOut(), e.GetCalledOut()
	row.Remote = e.GetDestination()
}

func (f *folding) answered(e *wire.LegAnswered) {
	leg := f.leg(e.GetLeg())
	if leg.answered {
		return
	}
	leg.answered = true
	row := &leg.row
	row.Answered, row.AnsweredUS = true, e.GetAtUs()
	row.Codec, row.MediaAddress = e.GetCodec(), e.GetMediaAddress()
	// The caller's agent stands in his INVITE, the vendor's in his answer.
	if e.GetLeg() != 0 {
		row.UserAgent = e.GetUserAgent()
	}
}

func (f *folding) ended(e *wire.LegEnded, node string) {
	leg, charged := f.leg(e.GetLeg()), f.charges(e)
	if leg.over && (leg.charged || !charged) {
		return
	}
	leg.over, leg.charged = true, charged
	row := &leg.row
	if row.Node == "" {
		row.Node = node
	}
	row.EndedUS, row.SIPCode, row.Reason = e.GetAtUs(), int64(e.GetSipCode()), e.GetReason()
	row.Q850, row.Cause, row.EndedBy = int64(e.GetQ850()), e.GetCause(), endedBy(e.GetEndedBy())
	row.RawMS, row.Last, row.Priced = e.GetRawMs(), e.GetLast(), e.GetPriced()
	row.Answered = leg.answered || e.GetRawMs() > 0
	row.Recorded, row.Captured = e.GetRecorded(), e.GetCaptured()
	row.measured(e.GetMedia())
}

// charges tells whether an end is the one that the book has charged. A node that has
// lost a call to another one and does not know it yet may tell of another end.
func (f *folding) charges(e *wire.LegEnded) bool {
	c := f.charge
	return c != nil && (e.GetLeg() == 0 || e.GetLeg() == c.GetEgressLeg()) && e.GetAtUs() == c.GetEndedAtUs() && e.GetRawMs() == c.GetRawMs()
}

// endedBy names who ended a leg.
func endedBy(by wire.EndedBy) string {
	switch by {
	case wire.EndedBy_ENDED_BY_CALLER:
		return "caller"
	case wire.EndedBy_ENDED_BY_CALLEE:
		return "callee"
	case wire.EndedBy_ENDED_BY_SWITCH:
		return "switch"
	case wire.EndedBy_ENDED_BY_LOST:
		return "lost"
	}
	return ""
}

// finish completes a row with what depends on both journals.
func (f *folding) finish(leg *legFold) {
	row := &leg.row
	if row.SetupUS == 0 {
		row.SetupUS = callTimeUS(f.call)
	}
	if row.Leg != 0 {
		f.customer(row)
	}
	switch {
	case row.RingingUS != 0:
		row.PDDUS = max(row.RingingUS-row.SetupUS, 0)
	case row.AnsweredUS != 0:
		row.PDDUS = max(row.AnsweredUS-row.SetupUS, 0)
	}
	f.price(row)
	row.HoldPosition, row.BookPosition = int64(f.holdAt), int64(f.closeAt)
	row.Emergency = f.hold.GetEmergency() != ""
	row.Offline = f.offline
	row.State = f.state(leg)
}

// customer copies the caller's side from leg 0 to an egress row.
func (f *folding) customer(row *CDR) {
	ingress := f.legs[0].row
	if ingress.Leg != 0 {
		return
	}
	row.CustomerCompany, row.CustomerAccount = ingress.CustomerCompany, ingress.CustomerAccount
	row.Originator = ingress.Originator
}

// state says how complete a leg is. A leg that ended without a price is
// complete by the log alone, a priced one when the book has closed the hold.
func (f *folding) state(leg *legFold) State {
	complete := f.closed && !leg.born || leg.over && (!leg.row.Priced || f.closed)
	switch {
	case !complete:
		return Pending
	case !leg.born:
		return Lost
	}
	return Final
}
