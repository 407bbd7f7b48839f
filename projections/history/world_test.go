package history

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// noonUS is a noon far from any day's border.
var noonUS = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC).UnixMicro()

// world makes events as the keeper and one node would.
type world struct {
	book, log   []events.Recorded
	bookUS      int64
	bookAt      uint64
	logAt       uint64
	serial      uint64
	accounts    int
	terminators int
	prefixes    int
}

func newWorld() *world { return &world{accounts: 3, terminators: 2, prefixes: 2} }

// newID makes a UUIDv7 of a time.
func (w *world) newID(us int64) events.CallID {
	w.serial++
	id := callBound(us)
	binary.BigEndian.PutUint64(id[8:], w.serial)
	id[6], id[8] = 0x70, 0x80
	return id
}

func (w *world) decided(us int64, e *wire.Event) {
	w.bookAt++
	w.bookUS = max(us, w.bookUS+1)
	e.Actor = "keeper"
	w.book = append(w.book, events.Recorded{Journal: bookJournal, Sequence: w.bookAt, Position: w.bookAt, TimeUS: w.bookUS, Event: e})
}

func (w *world) observed(us int64, e *wire.Event) {
	w.logAt++
	e.Actor = "node:n1"
	w.log = append(w.log, events.Recorded{Journal: "log.calls.n1", Sequence: w.logAt, Position: w.logAt, TimeUS: us, Event: e})
}

// plan says how a made call goes.
type plan struct {
	startUS  int64
	account  int
	attempts int
	answered bool
	priced   bool
	talkMS   int64
	// lostLog drops the log, unfinished everything after the answer.
	lostLog, unfinished, released bool
	extensions                    int
}

func (w *world) terms(account int, net int64) *wire.Terms {
	prefix := fmt.Sprintf("44%d", account%w.prefixes)
	return &wire.Terms{Deck: "retail", DeckVersion: 3, Prefix: prefix, Destination: "UK " + prefix,
		Currency: "USD", PriceFirstNano: net, PriceNextNano: net, IntervalFirstS: 1,
		IntervalNextS: 1, TaxPpm: 200000, Row: 7, Decimals: 6}
}

// call makes one call's events in both journals and returns its id.
func (w *world) call(p plan) events.CallID {
	id := w.newID(p.startUS)
	call, us := id[:], p.startUS
	account := fmt.Sprintf("acc-%d", p.account)
	originator := fmt.Sprintf("orig-%d", p.account)
	observe := func(at int64, e *wire.Event) {
		if !p.lostLog {
			w.observed(at, e)
		}
	}
	observe(us, &wire.Event{Body: &wire.Event_CallReceived{CallReceived: &wire.CallReceived{
		Call: call, Node: "n1", Originator: originator, Company: fmt.Sprintf("co-%d", p.account),
		Account: account, AtUs: us, Source: "192.0.2.7:5060", SipCallId: "a-" + id.String(),
		Caller: fmt.Sprintf("4420%07d", w.serial), CallerName: "Ann", Called: fmt.Sprintf("4930%07d", w.serial),
		CallerRouted: "+4420", CalledRouted: "+4930", UserAgent: "pbx/1", Transport: "udp"}}})
	if p.priced {
		w.decided(us+2000, w.holdPlaced(call, account, originator, p))
	}
	for leg := 1; leg <= p.attempts; leg++ {
		us = w.attempt(observe, call, leg, us, p)
	}
	for i := range p.extensions {
		w.decided(us+int64(i), &wire.Event{Body: &wire.Event_HoldExtended{HoldExtended: &wire.HoldExtended{
			Call: call, PaidMs: int64(60000 * (i + 2)), AmountsMicro: []int64{int64(9000 * (i + 2))}}}})
	}
	if p.unfinished {
		return id
	}
	w.end(observe, id, us, p)
	return id
}

func (w *world) holdPlaced(call []byte, account, originator string, p plan) *wire.Event {
	hold := &wire.HoldPlaced{Call: call, Node: "n1", PaidMs: 60000, MaxMs: 7200000,
		Lines: []*wire.HoldLine{{Payer: account, Originator: originator,
			Sell: w.terms(p.account, 9000), AmountMicro: 9000}}}
	for i := range max(p.attempts, 1) {
		hold.Route = append(hold.Route, &wire.Candidate{Terminator: w.terminator(i + 1),
			VendorAccount: "v" + w.terminator(i+1), Route: "r", Buy: w.terms(p.account, 5000)})
	}
	return &wire.Event{Body: &wire.Event_HoldPlaced{HoldPlaced: hold}}
}

func (w *world) terminator(leg int) string { return fmt.Sprintf("term-%d", leg%w.terminators) }

func (w *world) attempt(observe func(int64, *wire.Event), call []byte, leg int, us int64, p plan) int64 {
	terminator := w.terminator(leg)
	last := leg == p.attempts
	observe(us+1000, &wire.Event{Body: &wire.Event_AttemptStarted{AttemptStarted: &wire.AttemptStarted{
		Call: call, Leg: uint32(leg), Terminator: terminator, Company: "vc-" + terminator,
		Account: "v" + terminator, Route: "r", AtUs: us + 1000, Destination: "198.51.100.9:5060",
		SipCallId: "b", CallerOut: "4420", CalledOut: "004930"}}})
	if !last || !p.answered {
		observe(us+50000, &wire.Event{Body: &wire.Event_LegEnded{LegEnded: &wire.LegEnded{
			Call: call, Leg: uint32(leg), AtUs: us + 50000, SipCode: 503, Reason: "Service Unavailable",
			Cause: "failure", EndedBy: wire.EndedBy_ENDED_BY_CALLEE, Last: last}}})
		return us + 50000
	}
	for _, l := range []uint32{uint32(leg), 0} {
		observe(us+900000, &wire.Event{Body: &wire.Event_LegRinging{LegRinging: &wire.LegRinging{
			Call: call, Leg: l, AtUs: us + 900000, Code: 180}}})
		observe(us+3000000, &wire.Event{Body: &wire.Event_LegAnswered{LegAnswered: &wire.LegAnswered{
			Call: call, Leg: l, AtUs: us + 3000000, Codec: "PCMA", MediaAddress: "192.0.2.9:4000", UserAgent: "gw/2"}}})
	}
	return us + 3000000
}

// end closes both sides of a call.
func (w *world) end(observe func(int64, *wire.Event), id events.CallID, us int64, p plan) {
	call := id[:]
	endUS := us + p.talkMS*1000
	code, by := uint32(503), wire.EndedBy_ENDED_BY_SWITCH
	if p.answered {
		code, by = 200, wire.EndedBy_ENDED_BY_CALLER
	}
	if p.answered {
		observe(endUS, &wire.Event{Body: &wire.Event_LegEnded{LegEnded: &wire.LegEnded{
			Call: call, Leg: uint32(p.attempts), AtUs: endUS, SipCode: code, Cause: "answered", EndedBy: by,
			RawMs: p.talkMS, Priced: p.priced, Last: true,
			Media: &wire.MediaQuality{Packets: 50, Bytes: 8000, JitterUs: 300, MosCenti: 438}}}})
	}
	observe(endUS+1, &wire.Event{Body: &wire.Event_LegEnded{LegEnded: &wire.LegEnded{
		Call: call, Leg: 0, AtUs: endUS, SipCode: code, Cause: "answered", EndedBy: by,
		RawMs: p.talkMS, Priced: p.priced, Last: true}}})
	switch {
	case p.priced && p.answered && !p.released:
		w.decided(endUS+500, w.charged(call, us, endUS, p))
	case p.priced:
		w.decided(endUS+500, &wire.Event{Body: &wire.Event_HoldReleased{
			HoldReleased: &wire.HoldReleased{Call: call, Reason: "not answered"}}})
	}
}

func (w *world) charged(call []byte, answeredUS, endUS int64, p plan) *wire.Event {
	account, vendor := fmt.Sprintf("acc-%d", p.account), "v"+w.terminator(p.attempts)
	sell := &wire.PriceLine{Side: wire.Side_SIDE_SELL, Account: account, Terms: w.terms(p.account, 9000),
		RawMs: p.talkMS, BilledS: p.talkMS / 1000, Exact: "0.009", NetMicro: 9000, TaxMicro: 1800, GrossMicro: 10800}
	buy := &wire.PriceLine{Side: wire.Side_SIDE_BUY, Leg: uint32(p.attempts), Account: vendor,
		Terms: w.terms(p.account, 5000), RawMs: p.talkMS, BilledS: p.talkMS / 1000, Exact: "0.005",
		NetMicro: 5000, GrossMicro: 5000}
	return &wire.Event{EffectiveAtUs: answeredUS, Body: &wire.Event_CallCharged{CallCharged: &wire.CallCharged{
		Call: call, Node: "n1", Candidate: uint32(p.attempts - 1), EgressLeg: uint32(p.attempts),
		AnsweredAtUs: answeredUS, EndedAtUs: endUS, RawMs: p.talkMS, SipCode: 200,
		EndedBy: wire.EndedBy_ENDED_BY_CALLER, Lines: []*wire.PriceLine{sell, buy},
		Postings: []*wire.Posting{
			{Account: account, Currency: "USD", AmountMicro: -10800},
			{Account: vendor, Currency: "USD", AmountMicro: 5000},
			{Account: "own/revenue/USD", Currency: "USD", AmountMicro: 9000},
			{Account: "own/cost/USD", Currency: "USD", AmountMicro: -5000},
			{Account: "own/tax/USD", Currency: "USD", AmountMicro: 1800},
		}}}}
}

// answeredPlan is the usual call.
func answeredPlan(us int64, account int) plan {
	return plan{startUS: us, account: account, attempts: 1, answered: true, priced: true, talkMS: 61000}
}

// openTest opens a store in a directory of the test's own.
func openTest(t testing.TB, dir string, options Options) *Store {
	t.Helper()
	s, err := Open(dir, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func apply(t testing.TB, s *Store, batch []events.Recorded) {
	t.Helper()
	if err := s.Apply(context.Background(), batch, nil); err != nil {
		t.Fatal(err)
	}
}
