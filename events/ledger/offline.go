package ledger

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

const (
	// maxOffline bounds the calls of one write-up, maxOfflineBytes their bytes, so
	// that their events fit into a block.
	maxOffline      = 64
	maxOfflineBytes = 128 << 10
)

// Written is what the book records of one offline call.
type Written struct {
	// Up is nil for a number that was written up before.
	Up *wire.OfflineWrittenUp
	// Contested is set when the call is closed with other figures.
	Contested *wire.ChargeContested
}

// OfflineThrough is the last number of a node's offline calls that is in the book.
func (s *State) OfflineThrough(node string) uint64 { return s.offline[node] }

// WriteUpOffline decides on calls that a node let through while the book was
// silent. They were served already, so money does not matter; what matters is
// that each is booked once. Numbers in the book have no second effect, and a
// number that leaves one out is refused.
func (s *State) WriteUpOffline(d Deciding, w *wire.WriteUpOffline) ([]Written, error) {
	if len(w.Calls) == 0 || len(w.Calls) > maxOffline || proto.Size(w) > maxOfflineBytes {
		return nil, events.Invalid("a write-up has 1 to %d calls and at most %d bytes", maxOffline, maxOfflineBytes).At("calls")
	}
	next := s.offline[d.Command.Node] + 1
	if first := w.Calls[0].Number; first == 0 || first > next {
		return nil, events.Refuse(events.CodeConflict, "the offline calls of node %s are in the book up to %d: %d is expected, not %d",
			d.Command.Node, next-1, next, first).At("calls.0.number")
	}
	var out []Written
	seen := map[string]bool{}
	for i, o := range w.Calls {
		err := s.checkOffline(d, o, o.Number >= next)
		switch {
		case o.Number != w.Calls[0].Number+uint64(i):
			err = events.Invalid("the calls' numbers have no gaps: %d is expected, not %d", w.Calls[0].Number+uint64(i), o.Number).At("number")
		case seen[string(o.Call)]:
			err = events.Invalid("the call is there twice").At("call")
		}
		seen[string(o.Call)] = true
		var written Written
		if err == nil {
			written, err = s.written(d, o, next)
		}
		if err != nil {
			return nil, placed(err, fmt.Sprintf("calls.%d", i))
		}
		out = append(out, written)
	}
	return out, nil
}

// written is what is recorded of one call. A number that is in the book adds
// nothing, unless its call is closed with other figures.
func (s *State) written(d Deciding, o *wire.OfflineCall, next uint64) (w Written, err error) {
	if o.Number >= next {
		w.Up, w.Contested, err = s.WriteUp(d.NowUS, d.Command.Node, o)
	} else if _, closed := s.closedAt(events.CallID(o.Call), d.NowUS); closed && !o.Running {
		w.Contested = s.contestOffline(d.NowUS, d.Command.Node, o)
	}
	return w, err
}

// placed puts a place before a refusal's path.
func placed(err error, place string) error {
	var e *events.Error
	if errors.As(err, &e) {
		return e.At(place)
	}
	return err
}

// checkOffline refuses a call that cannot be booked. Of one that is in the book
// only the id is asked for.
func (s *State) checkOffline(d Deciding, o *wire.OfflineCall, fresh bool) error {
	if _, err := events.CallIDFrom(o.Call); err != nil || !fresh {
		return err
	}
	if err := checkOfflineTimes(d.NowUS, o); err != nil {
		return err
	}
	if o.Payer != "" {
		if err := rating.CheckTerms(o.Sell); err != nil {
			return placed(err, "sell")
		}
		a := d.Catalog.Account(o.Payer)
		switch {
		case a == nil:
			return events.NotFound("there is no account %s: it was removed while node %s was alone; make it again", o.Payer, d.Command.Node).At("payer")
		case a.Currency != rating.Currency(o.Sell):
			return events.Invalid("account %s is in %s, the price in %s", o.Payer, a.Currency, rating.Currency(o.Sell)).At("sell")
		}
	}
	if o.Candidate == nil || len(o.Tried) >= maxCandidates {
		return events.Invalid("an offline call has 1 to %d candidates", maxCandidates).At("candidate")
	}
	for _, c := range offlineRoute(o) {
		if err := s.checkCandidate(d, c); err != nil {
			return placed(err, "candidate")
		}
	}
	return nil
}

func checkOfflineTimes(nowUS int64, o *wire.OfflineCall) error {
	ended := o.EndedAtUs != 0 || o.RawMs != 0
	switch {
	case o.PlacedAtUs <= 0 || o.PlacedAtUs > nowUS:
		return events.Invalid("the call was let through in the future, or never").At("placedAtUs")
	case o.SetupMs <= 0 || o.SetupMs > maxSetupMS || o.MaxMs <= 0 || o.MaxMs > rating.MaxSeconds*1000:
		return events.Invalid("the longest set-up or talk time is out of bounds").At("maxMs")
	case o.PaidMs <= 0 || o.PaidMs > o.MaxMs:
		return events.Invalid("the talk time allowed is not between 1 ms and the longest").At("paidMs")
	case o.Running && (ended || o.Unanswered):
		return events.Invalid("a call that goes on has no end").At("running")
	case o.Unanswered && (o.RawMs != 0 || o.AnsweredAtUs != 0):
		return events.Invalid("a call that nobody answered has no answer and no talk time").At("unanswered")
	}
	return nil
}

// WriteUp is what the book records of one offline call at a time, in the block's
// microseconds; verification asks it again.
func (s *State) WriteUp(nowUS int64, node string, o *wire.OfflineCall) (*wire.OfflineWrittenUp, *wire.ChargeContested, error) {
	up := &wire.OfflineWrittenUp{Node: node, Call: o}
	id, err := events.CallIDFrom(o.Call)
	if err != nil {
		return nil, nil, err
	}
	h, open := s.holds[id]
	_, closed := s.closedAt(id, nowUS)
	switch {
	case o.Running && (open || closed):
		return up, nil, nil
	case o.Running:
		up.Hold, err = runningHold(nowUS, node, o)
		return up, nil, err
	case closed, open && h.Node != node:
		return up, s.contestOffline(nowUS, node, o), nil
	}
	up.Booked = true
	c := OfflineCharge(up)
	limitless := OfflineHold(up)
	for _, l := range limitless.Lines {
		l.AmountMicro = math.MaxInt64
	}
	if err := s.priced(c, &Hold{HoldPlaced: limitless}); err != nil {
		return nil, nil, err
	}
	up.Lines, up.Postings = c.Lines, c.Postings
	return up, nil, CheckBalanced(up.Postings)
}

// closedAt finds a closed call that is not forgotten when an event is recorded at a
// time: of several events of one command the first one makes the book forget.
func (s *State) closedAt(id events.CallID, nowUS int64) (*Closed, bool) {
	c, ok := s.closed[id]
	return c, ok && c.AtUS+ClosedFor > nowUS
}

// contestOffline is the case for finance when a call is closed with other figures,
// or belongs to another node by now; nil for the same figures, and for a call that
// the book has forgotten.
func (s *State) contestOffline(nowUS int64, node string, o *wire.OfflineCall) *wire.ChargeContested {
	id := events.CallID(o.Call)
	figures := figuresOf(offlineEnd(o))
	old, closed := s.closedAt(id, nowUS)
	h, open := s.holds[id]
	switch {
	case closed && old.Figures != string(figures) && old.Contested != string(figures):
		return &wire.ChargeContested{Call: o.Call, Node: node, RawMs: o.RawMs, Figures: figures, AcceptedFigures: []byte(old.Figures)}
	case open && h.Node != node:
		return &wire.ChargeContested{Call: o.Call, Node: node, RawMs: o.RawMs, Figures: figures}
	}
	return nil
}

// runningHold is the hold of an offline call that goes on. It reserves what the
// talk time allowed so far may cost, whatever the account has; its charge has time
// to come from now on.
func runningHold(nowUS int64, node string, o *wire.OfflineCall) (*wire.HoldPlaced, error) {
	h := OfflineHold(&wire.OfflineWrittenUp{Node: node, Call: o})
	for _, l := range h.Lines {
		if l.Payer != "" {
			amount, err := rating.Reserve(l.Sell, OfflineStart(o), o.PaidMs)
			if err != nil {
				return nil, err
			}
			l.AmountMicro = int64(amount)
		}
	}
	h.ExpiresAtUs = max(nowUS, o.PlacedAtUs+(o.SetupMs+o.PaidMs)*1000) + graceUS
	return h, nil
}

// OfflineHold is an offline call's payer, price and route as a hold has them.
func OfflineHold(u *wire.OfflineWrittenUp) *wire.HoldPlaced {
	o := u.Call
	return &wire.HoldPlaced{
		Call: o.Call, Node: u.Node, PaidMs: o.PaidMs, SetupMs: o.SetupMs, MaxMs: o.MaxMs, Route: offlineRoute(o),
		Emergency: o.Emergency, Candidate: o.At, Passed: o.Passed,
		Lines: []*wire.HoldLine{{Payer: o.Payer, Originator: o.Originator, Sell: o.Sell, LimitPrefixes: o.LimitPrefixes}},
	}
}

// OfflineCharge is an offline call that has ended as a charge has it.
func OfflineCharge(u *wire.OfflineWrittenUp) *wire.CallCharged {
	c := offlineEnd(u.Call)
	return &wire.CallCharged{
		Call: c.Call, Node: u.Node, Candidate: c.Candidate, EgressLeg: c.EgressLeg, AnsweredAtUs: c.AnsweredAtUs,
		EndedAtUs: c.EndedAtUs, RawMs: c.RawMs, SipCode: c.SipCode, Q850: c.Q850, EndedBy: c.EndedBy,
		Attempts: c.Attempts, Unanswered: c.Unanswered, Figures: figuresOf(c), Lines: u.Lines, Postings: u.Postings,
	}
}

// offlineEnd is an offline call's end as the node of a call with a hold tells it.
func offlineEnd(o *wire.OfflineCall) *wire.ChargeCall {
	return &wire.ChargeCall{
		Call: o.Call, Candidate: uint32(len(o.Tried)), EgressLeg: o.EgressLeg, AnsweredAtUs: o.AnsweredAtUs, EndedAtUs: o.EndedAtUs,
		RawMs: o.RawMs, SipCode: o.SipCode, Q850: o.Q850, EndedBy: o.EndedBy, Attempts: uint32(len(o.Tried)) + 1, Unanswered: o.Unanswered,
	}
}

func offlineRoute(o *wire.OfflineCall) []*wire.Candidate {
	return append(slices.Clone(o.Tried), o.Candidate)
}

func (s *State) evolveWrittenUp(pos events.Position, timeUS int64, u *wire.OfflineWrittenUp) error {
	if want := s.offline[u.Node] + 1; u.Call.GetNumber() != want {
		return fmt.Errorf("the write-up at %d is of number %d of node %s, not %d", pos, u.Call.GetNumber(), u.Node, want)
	}
	s.markOffline(u.Node, u.Call.Number)
	if u.Hold != nil {
		return s.evolvePlaced(pos, u.Call.PlacedAtUs, u.Hold)
	}
	if !u.Booked {
		return nil
	}
	id, err := events.CallIDFrom(u.Call.Call)
	if err != nil {
		return err
	}
	if err := CheckBalanced(u.Postings); err != nil {
		return fmt.Errorf("the write-up at %d: %w", pos, err)
	}
	gross, cost := totals(u.Lines)
	c := &Closed{Figures: string(OfflineCharge(u).Figures), AtUS: timeUS, Position: pos, Gross: gross, Cost: cost}
	if _, closed := s.closed[id]; closed {
		return fmt.Errorf("the write-up at %d is of call %s, which is closed", pos, id)
	}
	if h, open := s.holds[id]; open {
		s.close(id, h, c)
	} else {
		s.keepClosed(id, c)
	}
	s.post(u.Postings)
	return nil
}

func offlineEncoding(in *scratch, node string, last uint64) []byte {
	return in.begin('o').text(node).number(int64(last))
}

func (s *State) markOffline(node string, last uint64) {
	if old, ok := s.offline[node]; ok {
		s.sum.Remove(offlineEncoding(&s.scratch, node, old))
	}
	s.offline[node] = last
	s.sum.Add(offlineEncoding(&s.scratch, node, last))
}

// OfflineStart is when an offline call is answered, as far as it was known when it
// was let through.
func OfflineStart(o *wire.OfflineCall) rating.Start { return setupOf(o.PlacedAtUs, o.SetupMs) }

// OfflineGross is what an offline call has cost its payer, or may cost so far: it
// is what uses up the allowance.
func OfflineGross(o *wire.OfflineCall) (money.Amount, error) {
	switch {
	case o.Payer == "":
		return 0, nil
	case o.Running:
		return rating.Reserve(o.Sell, OfflineStart(o), o.PaidMs)
	case o.Unanswered:
		p, err := rating.Attempt(o.Sell)
		return p.Gross, err
	}
	p, err := rating.CallAt(o.Sell, o.AnsweredAtUs, o.RawMs)
	return p.Gross, err
}
