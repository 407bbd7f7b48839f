// Package sample makes the events of calls that nobody made, for benchmarks and
// tests of what follows the journals.
package sample

import (
	"encoding/binary"
	"fmt"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// Calls makes calls one after the other, the same ones each time.
type Calls struct {
	// Accounts and Vendors are between how many the calls spread, Prefixes over how
	// many destinations. The first account has every other call.
	Accounts, Vendors, Prefixes int

	serial, book, log uint64
	bookUS            int64
}

// New makes a source of calls.
func New() *Calls { return &Calls{Accounts: 100, Vendors: 20, Prefixes: 200} }

// Skip goes on as if so many calls had been made.
func (c *Calls) Skip(calls int) {
	c.serial += uint64(calls)
	c.book, c.log = c.book+uint64(4*calls), c.log+uint64(12*calls)
}

// one is a call that is being made.
type one struct {
	id                      []byte
	atUS, ringUS, answerUS  int64
	endUS, talkMS           int64
	account, vendor, prefix string
	answered                bool
}

// Account names an account of the calls by its number.
func Account(n int) string { return fmt.Sprintf("acc-%d", n) }

// Call makes the events of the next call, which begins at a time: UTC, microseconds.
// Three of four are answered. It has two CDRs.
func (c *Calls) Call(us int64) []events.Recorded {
	c.serial++
	n := int(c.serial)
	var id events.CallID
	binary.BigEndian.PutUint64(id[:8], uint64(us/1000)<<16)
	binary.BigEndian.PutUint64(id[8:], c.serial)
	id[6], id[8] = 0x70, 0x80
	account := 0
	if n%2 == 1 {
		account = n / 2 % c.Accounts
	}
	o := one{id: id[:], atUS: us, ringUS: us + 700_000, answerUS: us + 4_000_000, talkMS: int64(5000 + n*7919%240_000),
		account: Account(account), vendor: fmt.Sprintf("term-%d", n%c.Vendors), prefix: fmt.Sprintf("44%03d", n%c.Prefixes), answered: n%4 != 0}
	if !o.answered {
		o.talkMS = 0
	}
	o.endUS = o.answerUS + o.talkMS*1000
	return append(c.begin(o), c.end(o)...)
}

func (c *Calls) decided(us int64, e *wire.Event) events.Recorded {
	c.book++
	c.bookUS = max(us, c.bookUS+1)
	e.Actor = "keeper"
	return events.Recorded{Journal: "book", Sequence: c.book, Position: c.book, TimeUS: c.bookUS, Event: e}
}

func (c *Calls) observed(us int64, e *wire.Event) events.Recorded {
	c.log++
	e.Actor = "node:n1"
	return events.Recorded{Journal: "log.calls.n1", Sequence: c.log, Position: c.log, TimeUS: us, Event: e}
}

func terms(prefix string, nano int64) *wire.Terms {
	return &wire.Terms{Deck: "retail", DeckVersion: 3, Prefix: prefix, Destination: "UK " + prefix, Currency: "USD",
		PriceFirstNano: nano, PriceNextNano: nano, IntervalFirstS: 1, IntervalNextS: 1, TaxPpm: 200_000, Row: 7, Decimals: 6}
}

// begin is what comes before the answer.
func (c *Calls) begin(o one) []events.Recorded {
	number := fmt.Sprintf("%s%08d", o.prefix, c.serial)
	return []events.Recorded{
		c.observed(o.atUS, &wire.Event{Body: &wire.Event_CallReceived{CallReceived: &wire.CallReceived{
			Call: o.id, Node: "n1", Originator: "o-" + o.account, Company: "co-" + o.account, Account: o.account, AtUs: o.atUS,
			Source: "192.0.2.7:5060", SipCallId: fmt.Sprintf("%x@192.0.2.7", o.id), Caller: fmt.Sprintf("4420%07d", c.serial),
			Called: number, CallerRouted: "+4420", CalledRouted: "+" + number, UserAgent: "pbx/1", Transport: "udp"}}}),
		c.decided(o.atUS+2000, &wire.Event{Body: &wire.Event_HoldPlaced{HoldPlaced: &wire.HoldPlaced{
			Call: o.id, Node: "n1", PaidMs: 60_000, MaxMs: 7_200_000,
			Lines: []*wire.HoldLine{{Payer: o.account, Originator: "o-" + o.account, Sell: terms(o.prefix, 9_000_000), AmountMicro: 9000}},
			Route: []*wire.Candidate{{Terminator: o.vendor, VendorAccount: "v" + o.vendor, Route: "r", Buy: terms(o.prefix, 5_000_000)}}}}}),
		c.observed(o.atUS+3000, &wire.Event{Body: &wire.Event_AttemptStarted{AttemptStarted: &wire.AttemptStarted{
			Call: o.id, Leg: 1, Terminator: o.vendor, Company: "co-" + o.vendor, Account: "v" + o.vendor, Route: "r", AtUs: o.atUS + 3000,
			Destination: "198.51.100.9:5060", SipCallId: "b", CallerOut: "4420", CalledOut: number}}}),
		c.observed(o.ringUS, &wire.Event{Body: &wire.Event_LegRinging{LegRinging: &wire.LegRinging{Call: o.id, Leg: 1, AtUs: o.ringUS, Code: 180}}}),
		c.observed(o.ringUS, &wire.Event{Body: &wire.Event_LegRinging{LegRinging: &wire.LegRinging{Call: o.id, Leg: 0, AtUs: o.ringUS, Code: 180}}}),
	}
}

// end is the answer, if there is one, and the end.
func (c *Calls) end(o one) []events.Recorded {
	if !o.answered {
		return append(c.ends(o, 486, "busy"), c.decided(o.endUS+500, &wire.Event{Body: &wire.Event_HoldReleased{
			HoldReleased: &wire.HoldReleased{Call: o.id, Reason: "not answered"}}}))
	}
	var all []events.Recorded
	for _, leg := range []uint32{1, 0} {
		all = append(all, c.observed(o.answerUS, &wire.Event{Body: &wire.Event_LegAnswered{LegAnswered: &wire.LegAnswered{
			Call: o.id, Leg: leg, AtUs: o.answerUS, Codec: "PCMA", MediaAddress: "192.0.2.9:4000", UserAgent: "gw/2"}}}))
	}
	return append(append(all, c.ends(o, 200, "answered")...), c.charged(o))
}

func (c *Calls) ends(o one, code uint32, cause string) []events.Recorded {
	var all []events.Recorded
	for _, leg := range []uint32{1, 0} {
		all = append(all, c.observed(o.endUS, &wire.Event{Body: &wire.Event_LegEnded{LegEnded: &wire.LegEnded{
			Call: o.id, Leg: leg, AtUs: o.endUS, SipCode: code, Cause: cause, EndedBy: wire.EndedBy_ENDED_BY_CALLER,
			RawMs: o.talkMS, Priced: true, Last: true,
			Media: &wire.MediaQuality{Packets: uint64(o.talkMS / 20), Bytes: uint64(o.talkMS * 8), JitterUs: 300, MosCenti: 438}}}}))
	}
	return all
}

func (c *Calls) charged(o one) events.Recorded {
	seconds := (o.talkMS + 999) / 1000
	sell, tax, buy := seconds*150, seconds*30, seconds*83
	return c.decided(o.endUS+500, &wire.Event{EffectiveAtUs: o.answerUS, Body: &wire.Event_CallCharged{CallCharged: &wire.CallCharged{
		Call: o.id, Node: "n1", EgressLeg: 1, AnsweredAtUs: o.answerUS, EndedAtUs: o.endUS, RawMs: o.talkMS, SipCode: 200,
		EndedBy: wire.EndedBy_ENDED_BY_CALLER,
		Lines: []*wire.PriceLine{
			{Side: wire.Side_SIDE_SELL, Account: o.account, Terms: terms(o.prefix, 9_000_000), RawMs: o.talkMS, BilledS: seconds,
				Exact: fmt.Sprintf("%d/1000000", sell), NetMicro: sell, TaxMicro: tax, GrossMicro: sell + tax},
			{Side: wire.Side_SIDE_BUY, Leg: 1, Account: "v" + o.vendor, Terms: terms(o.prefix, 5_000_000), RawMs: o.talkMS, BilledS: seconds,
				Exact: fmt.Sprintf("%d/1000000", buy), NetMicro: buy, GrossMicro: buy}},
		Postings: []*wire.Posting{
			{Account: o.account, Currency: "USD", AmountMicro: -sell - tax}, {Account: "v" + o.vendor, Currency: "USD", AmountMicro: buy},
			{Account: "own/revenue/USD", Currency: "USD", AmountMicro: sell}, {Account: "own/cost/USD", Currency: "USD", AmountMicro: -buy},
			{Account: "own/tax/USD", Currency: "USD", AmountMicro: tax}}}}})
}
