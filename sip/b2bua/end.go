package b2bua

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/media/relay"
	"github.com/tollbook/tollbook/media/sdp"
	"github.com/tollbook/tollbook/sip/gate"
)

// end is one leg as the other leg and the rest of the call see it: its dialog, what
// was said in it, and what the far end can. It belongs to the call's goroutine.
type end struct {
	call   *session
	leg    uint32
	side   relay.Side
	dialog dialog
	// theirs is the session description in force, as the far end wrote it.
	theirs *sdp.Session
	source netip.Addr // where theirs came from
	// said is ours in force; version is that of the last one we made (RFC 3264,
	// section 8), in force or not.
	said    []byte
	version uint64
	// updates tells that the far end takes UPDATE (RFC 3311).
	updates  bool
	timer    sessionTimer
	accepted *accepted // our last 2xx to an INVITE of the far end's
	infos    int       // INFOs of the far end's on their way
	policy   *wire.SipPolicy
	ours     bool // the far end is another call of ours: one that was forwarded
	exposed  bool // its messages may go over signalling that is not encrypted
	agreed   *agreement
	remote   relay.Remote     // as the relay was told
	fresh    bool             // our first description is for a new call, whoever is on hold
	stays    *wire.MediaState // of a call that was taken over: its media goes on where it was
}

// treat has the end's peer treated as its policy says.
func (e *end) treat(p *wire.SipPolicy) {
	e.policy = p
	e.timer.usual = time.Duration(p.GetSessionS()) * time.Second
}

// without tells whether the peer is not offered an extension.
func (e *end) without(extension string) bool {
	return slices.Contains(e.policy.GetWithout(), extension)
}

// extensions are those that the peer is told of (RFC 4028; RFC 3262 where it fits).
func (e *end) extensions() []string {
	if e.without("timer") {
		return nil
	}
	return []string{"timer"}
}

// learn notes what a message of the far end's tells of its abilities.
func (e *end) learn(msg message) {
	if methods := list(msg, "Allow"); len(methods) > 0 {
		e.updates = slices.Contains(methods, "update") && !e.without("update")
	}
}

// message is a request or a response.
type message interface {
	gate.Headed
	Contact() *sip.ContactHeader
	Body() []byte
	Source() string
}

// list reads a header that holds a list of words, in lower case. Names have a
// compact form (RFC 3261, section 7.3.3).
func list(msg gate.Headed, names ...string) []string {
	var out []string
	for _, name := range names {
		for h := range gate.Named(msg, name) {
			for word := range strings.SplitSeq(h.Value(), ",") {
				if word = strings.ToLower(strings.TrimSpace(word)); word != "" {
					out = append(out, word)
				}
			}
		}
	}
	return out
}

// supports tells whether a message names an extension in Supported or Require.
func supports(msg gate.Headed, extension string) bool {
	return slices.Contains(list(msg, "Supported", "k", "Require"), extension)
}

// requires tells whether a message names an extension in Require.
func requires(msg gate.Headed, extension string) bool {
	return slices.Contains(list(msg, "Require"), extension)
}

// say makes our description for this end out of the other end's, and remembers it
// as the one in force. False means that the two peers have no codec in common, or that
// the policy for encrypted media does not allow it.
func (e *end) say(other *end, of *sdp.Session, fax bool, as role) ([]byte, bool) {
	media, carried, ok := of.Stream(fax)
	if !ok {
		return nil, false
	}
	tokens, ok := media.Select(other.policy.GetCodecs(), e.policy.GetCodecs())
	if !ok {
		return nil, false
	}
	protected, ok := e.protect(media, as, fax)
	if !ok {
		return nil, false
	}
	local := e.call.media.Load().Local(e.side)
	out := sdp.Outgoing{
		Addr: local.Addr(), Fresh: e.fresh && e.said == nil, ID: binary.BigEndian.Uint64(e.call.id[8:]) >> 1, Version: e.version,
		Port: func(i int) int {
			if i == carried {
				return int(local.Port())
			}
			return 0
		},
		Formats: func(i int) []string {
			if i == carried {
				return tokens
			}
			return nil
		},
		Profile: func(i int) string {
			if i == carried {
				return protected.profile
			}
			return ""
		},
		Mux: func(i int) bool { return i == carried && e.muxes(media, as, fax) },
		Crypto: func(i int) []sdp.Crypto {
			if i == carried {
				return protected.keys
			}
			return nil
		},
	}
	var body []byte
	if e.said != nil {
		body = of.Rewrite(out)
	}
	if e.said == nil || !bytes.Equal(body, e.said) {
		e.version++
		out.Version = e.version
		body = of.Rewrite(out)
	}
	e.said = body
	return body, true
}

// muxes tells whether RTCP on the port of RTP stands in what we say (RFC 5761): in an
// offer where the other end offers it, in an answer where this end has.
func (e *end) muxes(media sdp.Media, as role, fax bool) bool {
	if as == asOffer {
		return media.RTCPMux
	}
	if e.theirs == nil {
		return false
	}
	m, _, ok := e.theirs.Stream(fax)
	return ok && m.RTCPMux
}

// hear reads a description of this end's. source is where the message came from: a
// media address elsewhere may be wrong, and then the relay learns the right one
// from the first packet.
func (e *end) hear(body []byte, source string) (*heard, error) {
	s, err := sdp.Parse(body)
	if err != nil {
		return nil, err
	}
	h := &heard{session: s}
	from, err := netip.ParseAddrPort(source)
	if err == nil {
		h.source = from.Addr().Unmap()
	}
	return h, nil
}

// heard is a description of an end's that is not in force yet.
type heard struct {
	session *sdp.Session
	source  netip.Addr
}

// stream gives the stream that the relay would carry.
func (h *heard) stream(fax bool) (sdp.Media, bool) {
	m, _, ok := h.session.Stream(fax)
	return m, ok
}

// heed puts a description of this end's into force.
func (e *end) heed(h *heard, fax bool, as role) error {
	m, ok := h.stream(fax)
	if !ok {
		return errNoStream
	}
	if err := e.admits(m); err != nil {
		return err
	}
	remote := relay.Of(m, m.Address.Addr() != h.source)
	remote.Ours = e.ours
	var err error
	if remote.Crypto, err = e.keys(m, as, fax); err != nil {
		return err
	}
	if err := e.call.media.Load().SetRemote(e.side, remote); err != nil {
		return err
	}
	e.remote, e.theirs, e.source = remote, h.session, h.source
	return nil
}

// refresh notes where the far end wants the dialog's next requests (RFC 3261,
// section 12.2).
func (d *dialog) refresh(msg message) {
	if contact := msg.Contact(); contact != nil {
		d.target = contact.Address
	}
}

// inOrder tells whether a request of the far end's is newer than the last one
// (RFC 3261, section 12.2.2), and remembers it.
func (d *dialog) inOrder(req *sip.Request) bool {
	n := req.CSeq().SeqNo
	if d.heardAny && n <= d.heardSeq {
		return false
	}
	d.heardSeq, d.heardAny = n, true
	return true
}

// other is the end that a request of this end's goes to: nil while there is none.
func (c *session) other(e *end) *end {
	if e.leg != 0 {
		return &c.in.end
	}
	if l := c.legs[c.machine.Egress()]; l != nil {
		return &l.end
	}
	return nil
}

// current tells whether an end is one of the two that talk.
func (c *session) current(e *end) bool { return e.leg == 0 || e.leg == c.machine.Egress() }
