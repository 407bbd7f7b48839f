package b2bua

import (
	"bytes"
	"net/netip"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/media/relay"
	"github.com/tollbook/tollbook/media/sdp"
)

const (
	// standsAfter is how long after a change it is written down how a call stands: what
	// belongs to it, such as the address that media is learnt from, is known then.
	standsAfter = time.Second
	// maxStanding bounds what is written down of one call, in bytes. One whose
	// descriptions are longer ends with its node.
	maxStanding = 24 << 10
)

// standingName is what a call's state is wrapped under.
func standingName(id interface{ String() string }) string { return "call:" + id.String() }

// stands writes down how the call stands, now and again a moment later, if that has
// changed: what another node needs to go on with it.
func (c *session) stands() {
	if !c.sw.config.Survivable {
		return
	}
	c.writeStanding()
	if c.standing.Swap(true) {
		return
	}
	time.AfterFunc(standsAfter, func() {
		c.standing.Store(false)
		c.post(func(call.Now) { c.writeStanding() })
	})
}

func (c *session) writeStanding() {
	if c.dropped || !c.machine.Talking() {
		return
	}
	state := c.state()
	if state == nil {
		return
	}
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(state)
	if err != nil || len(data) > maxStanding {
		c.log.Warn("a call would not outlive this node", "bytes", len(data), "err", err)
		return
	}
	if bytes.Equal(unnumbered(data), c.stood) {
		return
	}
	wrapped, err := c.sw.config.Secrets.Wrap(standingName(c.id), data)
	if err != nil {
		c.log.Error("a call would not outlive this node", "err", err)
		return
	}
	c.stood = unnumbered(data)
	c.record(call.Observed(c.id, c.sw.now(), &wire.Event{Body: &wire.Event_CallStanding{CallStanding: &wire.CallStanding{
		Call: c.id[:], Wrapped: wrapped,
	}}}))
}

// unnumbered leaves out what changes with every request: a node that goes on leaves a
// gap in the numbers.
func unnumbered(data []byte) []byte {
	s := &wire.CallState{}
	if err := proto.Unmarshal(data, s); err != nil {
		return nil
	}
	for _, e := range s.Ends {
		e.Sequence, e.Heard = 0, 0
	}
	out, err := proto.MarshalOptions{Deterministic: true}.Marshal(s)
	if err != nil {
		return nil
	}
	return out
}

// state is the call as another node would go on with it; nil while it is not settled.
func (c *session) state() *wire.CallState {
	l, m := c.legs[c.machine.Egress()], c.media.Load()
	if l == nil || m == nil || c.in.theirs == nil || l.theirs == nil || c.in.said == nil || l.said == nil {
		return nil
	}
	shot, err := m.Snapshot()
	if err != nil {
		return nil
	}
	return &wire.CallState{
		Originator: c.origin.Id, Caller: c.in.numbers.Caller, CallerName: c.in.numbers.CallerName, Called: c.in.called,
		Source: c.source.String(), Egress: l.leg,
		Ends: []*wire.EndState{c.in.state(&shot.Legs[relay.A]), l.state(&shot.Legs[relay.B])},
	}
}

func (e *end) state(media *relay.LegSnapshot) *wire.EndState {
	d := &e.dialog
	s := &wire.EndState{
		SipCallId: d.key.callID, LocalTag: d.key.localTag, RemoteTag: d.remoteTag,
		Local: d.local.String(), Remote: d.remote.String(), Target: d.target.String(),
		Sequence: d.sequence, Heard: d.heardSeq,
		Listener: d.way.listener.Name(), Transport: d.way.transport, Flow: d.way.flow, Source: d.way.source,
		Home: d.way.home, Secure: d.way.secure,
		Theirs: e.theirs.Bytes(), TheirsSource: text(e.source), Said: e.said, Version: e.version,
		Updates: e.updates, Ours: e.ours, Exposed: e.exposed, Policy: e.policy,
		SessionS: uint32(e.timer.interval / time.Second), LeastS: uint32(e.timer.least / time.Second), Refreshes: e.timer.ours,
		Media: &wire.MediaState{
			Local: media.Local.String(), Rtp: text(media.Media), Rtcp: text(media.Control),
			RtpLearnt: media.MediaLatched, RtcpLearnt: media.ControlLatched, Encrypted: e.remote.Crypto != nil,
		},
	}
	for i := range d.routes {
		s.Routes = append(s.Routes, d.routes[i].String())
	}
	return s
}

// text writes an address; the zero one is "".
func text(a interface {
	IsValid() bool
	String() string
}) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// restore is the reverse of state, but for the media, which begins anew unless it stays:
// where it was on an address that is here now, and nothing in it is encrypted, since how
// far the keys were used is not known.
func (e *end) restore(s *wire.EndState) error {
	d := &e.dialog
	d.key, d.remoteTag = dialogKey{s.SipCallId, s.LocalTag}, s.RemoteTag
	for _, uri := range []struct {
		text string
		to   *sip.Uri
	}{{s.Local, &d.local}, {s.Remote, &d.remote}, {s.Target, &d.target}} {
		if err := sip.ParseUri(uri.text, uri.to); err != nil {
			return err
		}
	}
	for _, r := range s.Routes {
		var uri sip.Uri
		if err := sip.ParseUri(r, &uri); err != nil {
			return err
		}
		d.routes = append(d.routes, uri)
	}
	d.sequence, d.heardSeq, d.heardAny = s.Sequence+sequenceLeap, s.Heard, s.Heard > 0
	d.way = way{
		listener: e.call.sw.config.Gate.Listener(s.Listener), transport: strings.Clone(s.Transport),
		flow: s.Flow, source: s.Source, home: s.Home, secure: s.Secure,
	}
	theirs, err := sdp.Parse(s.Theirs)
	if err != nil {
		return err
	}
	e.theirs = theirs
	if s.TheirsSource != "" {
		if e.source, err = netip.ParseAddr(s.TheirsSource); err != nil {
			return err
		}
	}
	e.version, e.updates, e.ours, e.exposed = s.Version, s.Updates, s.Ours, s.Exposed
	e.treat(s.Policy)
	e.timer.interval, e.timer.least = time.Duration(s.SessionS)*time.Second, time.Duration(s.LeastS)*time.Second
	e.timer.ours = s.Refreshes
	again := e.call.from == e.call.sw.config.Node // its own, after a start
	if m := s.Media; (again || d.way.listener.Shared()) && !m.GetEncrypted() && e.call.sw.holds(addressIn(m), again) {
		e.stays, e.said = m, s.Said
	}
	// What the node before had accepted needs no ACK from us.
	e.accepted = &accepted{end: e}
	return nil
}

// sequenceLeap is left out of a dialog's numbers by the node that goes on with it: what
// the node before may have sent meanwhile, or still sends, is older (RFC 3261, section
// 12.2.2).
const sequenceLeap = 10_000

// addressIn is our address in a leg's media; the zero Addr if it cannot be read.
func addressIn(m *wire.MediaState) netip.Addr {
	local, err := netip.ParseAddrPort(m.GetLocal())
	if err != nil {
		return netip.Addr{}
	}
	return local.Addr()
}

// holds tells whether an address that the cluster shares is here, or one of the node's
// own is meant.
func (s *Switch) holds(addr netip.Addr, own bool) bool {
	if at, ok := s.config.Media.Address(addr, addr); own && ok && at == addr {
		return true
	}
	return addr.IsValid() && s.config.Holds != nil && s.config.Holds(addr)
}

// MediaAt are our addresses in the media of a call of another node, by its wrapped state.
func (s *Switch) MediaAt(id events.CallID, wrapped []byte) ([]netip.Addr, error) {
	state, err := s.readState(id, wrapped)
	if err != nil {
		return nil, err
	}
	var out []netip.Addr
	for _, e := range state.Ends {
		out = append(out, addressIn(e.Media))
	}
	return out, nil
}

func (s *Switch) readState(id events.CallID, wrapped []byte) (*wire.CallState, error) {
	data, err := s.config.Secrets.Unwrap(standingName(id), wrapped)
	if err != nil {
		return nil, events.Invalid("%v", err)
	}
	state := &wire.CallState{}
	if err := proto.Unmarshal(data, state); err != nil {
		return nil, events.Invalid("the state of call %s cannot be read: %v", id, err)
	}
	return state, nil
}

// snapshot is the leg as the relay would go on with it: where it stays, or on any port
// of an address.
func (e *end) snapshot(at netip.Addr) relay.LegSnapshot {
	s := relay.LegSnapshot{Local: netip.AddrPortFrom(at, 0)}
	m, _, ok := e.theirs.Stream(true)
	if e.stays == nil || !ok {
		return s
	}
	remote := relay.Of(m, m.Address.Addr() != e.source)
	s.Known, s.Remote, s.MediaLatched, s.ControlLatched = true, remote, e.stays.RtpLearnt, e.stays.RtcpLearnt
	s.Local, s.Media, s.Control = addrPort(e.stays.Local), addrPort(e.stays.Rtp), addrPort(e.stays.Rtcp)
	e.remote = remote
	return s
}

// addrPort reads an address with its port; the zero one stands for none.
func addrPort(text string) netip.AddrPort {
	a, err := netip.ParseAddrPort(text)
	if err != nil {
		return netip.AddrPort{}
	}
	return a
}
