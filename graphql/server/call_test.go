package server_test

import (
	"encoding/binary"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
)

// script is one call as a test tells it.
type script struct {
	originator, caller, called string
	at                         time.Time
	// talk is 0 for a call that is not answered.
	talk time.Duration
	// failFirst lets the first vendor fail with 503.
	failFirst bool
	// running leaves the call open.
	running bool
}

func (s *fakeSwitch) newCall(at time.Time) events.CallID {
	var random [10]byte
	s.serial++
	binary.BigEndian.PutUint32(random[6:], s.serial)
	return events.NewCallID(at, random)
}

// play makes a call happen: observed in the log, held and charged in the book.
func (s *fakeSwitch) play(c script) events.CallID {
	s.t.Helper()
	id := s.newCall(c.at)
	cat := s.Catalog()
	o := cat.Originator(c.originator)
	s.observe("log.calls.n1", c.at, &wire.Event{Body: &wire.Event_CallReceived{CallReceived: &wire.CallReceived{
		Call: id[:], Node: "n1", Originator: o.Id, Company: o.Company, Account: o.Account, AtUs: c.at.UnixMicro(),
		Source: "192.0.2.10:5060", SipCallId: id.String()[:8] + "@192.0.2.10", Caller: c.caller, Called: c.called,
		CallerRouted: c.caller, CalledRouted: c.called, UserAgent: "Asterisk PBX 20.5", Transport: "udp",
	}}})
	d := s.world().Route(routing.Request{Originator: o, Called: c.called, Caller: c.caller})
	if d.Refused != "" {
		s.end(id, 0, c.at.Add(5*time.Millisecond), 404, "no_route", 0, false, true)
		return id
	}
	hold := &wire.PlaceHold{
		Call: id[:], CatalogPosition: uint64(cat.Position()), SetupMs: 60_000, MaxMs: 3_600_000,
		Lines: []*wire.HoldLine{{Leg: 0, Payer: o.Account, Originator: o.Id, Sell: d.Sell}},
	}
	for _, k := range d.Candidates {
		hold.Route = append(hold.Route, &wire.Candidate{
			Terminator: k.Terminator.Id, VendorAccount: k.Terminator.Account, Route: k.Route.Id, Buy: k.Buy,
		})
	}
	s.must(c.at.Add(2*time.Millisecond), &wire.Command{Body: &wire.Command_PlaceHold{PlaceHold: hold}})
	s.hunt(id, c, d)
	return id
}

// hunt tries the vendors and ends the call.
func (s *fakeSwitch) hunt(id events.CallID, c script, d routing.Decision) {
	at, leg, index := c.at.Add(4*time.Millisecond), uint32(1), 0
	s.attempt(id, leg, at, d.Candidates[index], c)
	if c.failFirst && len(d.Candidates) > 1 {
		at = at.Add(180 * time.Millisecond)
		s.end(id, leg, at, 503, "vendor_failed", 0, false, false)
		leg, index = 2, 1
		s.attempt(id, leg, at, d.Candidates[index], c)
	}
	rang := at.Add(1340 * time.Millisecond)
	for _, l := range []uint32{leg, 0} {
		s.observe("log.calls.n1", rang, &wire.Event{Body: &wire.Event_LegRinging{LegRinging: &wire.LegRinging{
			Call: id[:], Leg: l, AtUs: rang.UnixMicro(), Code: 180,
		}}})
	}
	if c.talk == 0 && !c.running {
		end := rang.Add(8 * time.Second)
		s.end(id, leg, end, 486, "busy", 0, false, true)
		s.must(end, &wire.Command{Body: &wire.Command_ReleaseHold{ReleaseHold: &wire.ReleaseHold{Call: id[:], Reason: "not answered"}}})
		s.end(id, 0, end, 486, "busy", 0, false, false)
		return
	}
	answer := rang.Add(4200 * time.Millisecond)
	for _, l := range []uint32{leg, 0} {
		s.observe("log.calls.n1", answer, &wire.Event{Body: &wire.Event_LegAnswered{LegAnswered: &wire.LegAnswered{
			Call: id[:], Leg: l, AtUs: answer.UnixMicro(), Codec: "PCMA", MediaAddress: "192.0.2.10:40210",
		}}})
	}
	if c.running {
		return
	}
	end := answer.Add(c.talk)
	for paid := time.Minute; paid < c.talk; paid += time.Minute {
		s.must(answer.Add(paid-time.Second), &wire.Command{Body: &wire.Command_ExtendHold{ExtendHold: &wire.ExtendHold{
			Call: id[:], AnsweredAtUs: answer.UnixMicro(), PaidMs: paid.Milliseconds(),
		}}})
	}
	s.end(id, leg, end, 200, "answered", c.talk, true, true)
	s.must(end, &wire.Command{Body: &wire.Command_ChargeCall{ChargeCall: &wire.ChargeCall{
		Call: id[:], Candidate: uint32(index), EgressLeg: leg, AnsweredAtUs: answer.UnixMicro(), EndedAtUs: end.UnixMicro(),
		RawMs: c.talk.Milliseconds(), SipCode: 200, Q850: 16, EndedBy: wire.EndedBy_ENDED_BY_CALLER,
	}}})
	s.end(id, 0, end, 200, "answered", c.talk, true, false)
}

func (s *fakeSwitch) attempt(id events.CallID, leg uint32, at time.Time, k routing.Candidate, c script) {
	s.observe("log.calls.n1", at, &wire.Event{Body: &wire.Event_AttemptStarted{AttemptStarted: &wire.AttemptStarted{
		Call: id[:], Leg: leg, Terminator: k.Terminator.Id, Company: k.Terminator.Company, Account: k.Terminator.Account,
		Route: k.Route.Id, AtUs: at.UnixMicro(), Destination: k.Terminator.Host + ":5060",
		SipCallId: id.String()[:8] + "-b@198.51.100.1", CallerOut: c.caller, CalledOut: c.called,
	}}})
}

func (s *fakeSwitch) end(id events.CallID, leg uint32, at time.Time, code uint32, cause string, talk time.Duration, priced, last bool) {
	reason := map[uint32]string{200: "OK", 404: "Not Found", 486: "Busy Here", 503: "Service Unavailable"}[code]
	ended := &wire.LegEnded{
		Call: id[:], Leg: leg, AtUs: at.UnixMicro(), SipCode: code, Reason: reason, Cause: cause, Q850: 16,
		EndedBy: wire.EndedBy_ENDED_BY_CALLER, RawMs: talk.Milliseconds(), Priced: priced, Last: last,
	}
	if talk > 0 {
		ended.Media = &wire.MediaQuality{Packets: uint64(talk.Milliseconds() / 20), Lost: 3, JitterUs: 2400, MosCenti: 438}
	}
	s.observe("log.calls.n1", at, &wire.Event{Body: &wire.Event_LegEnded{LegEnded: ended}})
}
