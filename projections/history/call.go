package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/wire"
	"google.golang.org/protobuf/encoding/protojson"
)

// Call is everything known of one call.
type Call struct {
	ID events.CallID
	// Legs are its CDRs by leg.
	Legs []CDR
	// Hold is the money held and the route decided, nil without one.
	Hold *Hold
	// Lines are the charge's price lines, of both sides.
	Lines []PriceLine
	// Events is the call's story in order of recorded time.
	Events []Event
}

// Hold is what the book reserved for a call.
type Hold struct {
	Position int64
	TimeUS   int64
	Node     string
	Lines    []HoldLine
	// Route are the candidates in the order of hunting.
	Route []Candidate
	// PaidMS is the talk time paid for, extensions included; MaxMS bounds it.
	PaidMS int64
	MaxMS  int64
	// ExpiresAtUS is when the book closes the hold if nobody else does.
	ExpiresAtUS int64
	// Emergency is the settings' number or prefix that made it an emergency call.
	Emergency string
	// ClosedAt is the position of the charge or release, 0 while open.
	ClosedAt int64
	// Closed is "charged", "released" or empty; Reason is the release's.
	Closed string
	Reason string
}

// HoldLine is one payer's part of a hold.
type HoldLine struct {
	Leg         int64
	Originator  string
	AmountMicro int64
	// PackageMicro is what is reserved of the Package, in micro-seconds.
	PackageMicro int64
	// Price has the payer and the terms; its amounts are zero.
	Price
}

// Candidate is one vendor of the route, at his price.
type Candidate struct {
	Terminator string
	Route      string
	// Passed is why the book passed him over; empty if it did not.
	Passed string
	// Price has the vendor's account and terms; its amounts are zero.
	Price
}

// PriceLine is the price of one side of one leg.
type PriceLine struct {
	Leg   int64
	RawMS int64
	Price
}

// Event is one event of a call.
type Event struct {
	Journal  string
	Position int64
	// TimeUS is when it was recorded.
	TimeUS int64
	// Type is the schema's name of the body: "leg_answered".
	Type string
	Body *wire.Event
}

// JSON returns the event with the schema's field names. The spaces in it are not stable.
func (e *Event) JSON() ([]byte, error) {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(e.Body)
	if err != nil {
		return nil, fmt.Errorf("write event %s/%d: %w", e.Journal, e.Position, err)
	}
	return text, nil
}

// Call returns a call with its legs, hold, prices and events, or ErrNotFound.
func (s *Store) Call(ctx context.Context, id events.CallID) (Call, error) {
	records, err := s.records(ctx, id)
	if err != nil {
		return Call{}, fmt.Errorf("read call %s: %w", id, err)
	}
	call := Call{ID: id, Legs: fold(id, records)}
	for _, r := range records {
		call.Events = append(call.Events, Event{
			Journal: r.journal, Position: int64(r.position), TimeUS: r.timeUS,
			Type: typeOf(r.event), Body: r.event,
		})
	}
	call.book(records)
	return call, nil
}

// records reads a call's events from its day file.
func (s *Store) records(ctx context.Context, id events.CallID) (records []record, err error) {
	f, err := s.days.acquire(callDay(id))
	if err != nil {
		return nil, err
	}
	if f == nil {
		return nil, ErrNotFound
	}
	defer func() { err = errors.Join(err, s.days.release(f)) }()
	var packed []byte
	err = f.reader.QueryRowContext(ctx, "SELECT events FROM calls WHERE call = ?", id[:]).Scan(&packed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return unpack(packed)
}

// book fills hold and price lines from the book's events.
func (c *Call) book(records []record) {
	records = slices.DeleteFunc(slices.Clone(records), func(r record) bool {
		return r.journal != bookJournal
	})
	for _, r := range records {
		switch body := r.event.GetBody().(type) {
		case *wire.Event_HoldPlaced:
			c.placed(r, body.HoldPlaced)
		case *wire.Event_OfflineWrittenUp:
			if u := body.OfflineWrittenUp; u.GetHold() != nil {
				c.placed(r, u.GetHold())
			} else if u.GetBooked() {
				c.placed(r, ledger.OfflineHold(u))
			}
		}
	}
	hold := c.Hold
	if hold == nil {
		hold = new(Hold)
	}
	charged := false
	for _, r := range records {
		switch body := r.event.GetBody().(type) {
		case *wire.Event_RouteAdvanced:
			hold.pass(body.RouteAdvanced.GetPassed())
		case *wire.Event_HoldExtended:
			hold.extend(body.HoldExtended)
		case *wire.Event_CallCharged:
			if !charged {
				charged = true
				hold.Closed, hold.Reason, hold.ClosedAt = "charged", "", int64(r.position)
				c.Lines = priceLines(body.CallCharged)
			}
		case *wire.Event_OfflineWrittenUp:
			if u := body.OfflineWrittenUp; u.GetBooked() && !charged {
				charged = true
				hold.Closed, hold.Reason, hold.ClosedAt = "charged", "", int64(r.position)
				c.Lines = priceLines(ledger.OfflineCharge(u))
			}
		case *wire.Event_HoldReleased:
			if hold.Closed == "" {
				hold.Closed, hold.ClosedAt = "released", int64(r.position)
				hold.Reason = body.HoldReleased.GetReason()
			}
		}
	}
}

// placed takes the first hold.
func (c *Call) placed(r record, e *wire.HoldPlaced) {
	if c.Hold == nil {
		c.Hold = newHold(r, e)
	}
}

func newHold(r record, e *wire.HoldPlaced) *Hold {
	hold := &Hold{
		Position: int64(r.position), TimeUS: r.timeUS, Node: e.GetNode(),
		PaidMS: e.GetPaidMs(), MaxMS: e.GetMaxMs(), ExpiresAtUS: e.GetExpiresAtUs(),
		Emergency: e.GetEmergency(),
	}
	for _, line := range e.GetLines() {
		price := termsPrice(line.GetSell())
		price.Side, price.BilledAccount, price.Package = "sell", line.GetPayer(), line.GetPackage()
		hold.Lines = append(hold.Lines, HoldLine{Leg: int64(line.GetLeg()), Originator: line.GetOriginator(),
			AmountMicro: line.GetAmountMicro(), PackageMicro: line.GetPackageMicro(), Price: price})
	}
	for _, candidate := range e.GetRoute() {
		price := termsPrice(candidate.GetBuy())
		price.Side, price.BilledAccount = "buy", candidate.GetVendorAccount()
		hold.Route = append(hold.Route, Candidate{Terminator: candidate.GetTerminator(),
			Route: candidate.GetRoute(), Price: price})
	}
	hold.pass(e.GetPassed())
	return hold
}

// pass notes whom the book passed over.
func (h *Hold) pass(passed []*wire.PassedOver) {
	for _, p := range passed {
		if i := int(p.GetCandidate()); i < len(h.Route) {
			h.Route[i].Passed = p.GetReason()
		}
	}
}

// extend takes the totals of an extension. The longest paid time is the latest; its
// amounts may be smaller, where a package that was topped up pays more of the call.
func (h *Hold) extend(e *wire.HoldExtended) {
	if e.GetPaidMs() <= h.PaidMS {
		return
	}
	h.PaidMS, h.ExpiresAtUS = e.GetPaidMs(), e.GetExpiresAtUs()
	for i := range h.Lines {
		if i < len(e.GetAmountsMicro()) {
			h.Lines[i].AmountMicro = e.GetAmountsMicro()[i]
		}
		if i < len(e.GetPackageMicro()) {
			h.Lines[i].PackageMicro = e.GetPackageMicro()[i]
		}
	}
}

func priceLines(e *wire.CallCharged) []PriceLine {
	var lines []PriceLine
	for _, line := range e.GetLines() {
		lines = append(lines, PriceLine{
			Leg: int64(line.GetLeg()), RawMS: line.GetRawMs(), Price: linePrice(line)})
	}
	return lines
}

// ForPartner returns the call as a company may see it: its own legs and, for the
// customer, his side of the prices; no route and no events. False means that
// nothing of it is his.
func (c Call) ForPartner(company string) (Call, bool) {
	seen := Call{ID: c.ID}
	accounts := map[string]bool{}
	for _, leg := range c.Legs {
		if own, ok := leg.ForPartner(company); ok {
			seen.Legs = append(seen.Legs, own)
			accounts[own.BilledAccount] = true
		}
	}
	for _, line := range c.Lines {
		if accounts[line.BilledAccount] {
			seen.Lines = append(seen.Lines, line)
		}
	}
	return seen, len(seen.Legs) > 0
}
