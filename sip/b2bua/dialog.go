package b2bua

import (
	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/sip/gate"
)

// dialogKey names a dialog by what a request within it carries: the Call-ID and
// the tag that is ours.
type dialogKey struct{ callID, localTag string }

// dialogEntry leads from a dialog to its call.
type dialogEntry struct {
	call    *session
	leg     uint32
	retired bool // something else has taken its place
}

// dialog is our end of a dialog (RFC 3261, section 12), on either leg.
type dialog struct {
	key       dialogKey
	remoteTag string
	local     sip.Uri // our From, or To, address
	remote    sip.Uri
	target    sip.Uri   // the far end's Contact
	routes    []sip.Uri // in the order in which requests take them
	way       way
	sequence  uint32
	heardSeq  uint32 // the far end's last CSeq, where heardAny
	heardAny  bool
	entered   bool
}

// enter lets the switch find the dialog.
func (d *dialog) enter(s *Switch, c *session, leg uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dialogs[d.key] = &dialogEntry{call: c, leg: leg}
	d.entered = true
	if c.evidence != nil {
		c.evidence.Watch(d.key.callID)
	}
}

func (d *dialog) forget(s *Switch) {
	if !d.entered {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.dialogs, d.key)
}

// request makes the dialog's next request.
func (d *dialog) request(method sip.RequestMethod) *sip.Request {
	d.sequence++
	return d.numbered(method, d.sequence)
}

// ack acknowledges the 2xx of the INVITE with a CSeq, which need not be the last one
// (RFC 3261, section 13.2.2.4), with a description or none.
func (d *dialog) ack(sequence uint32, body []byte) *sip.Request {
	req := d.numbered(sip.ACK, sequence)
	describe(req, body)
	return req
}

// describe puts a session description into a message.
func describe(msg interface {
	AppendHeader(sip.Header)
	SetBody([]byte)
}, body []byte,
) {
	if len(body) > 0 {
		contentType := sip.ContentTypeHeader("application/sdp")
		msg.AppendHeader(&contentType)
	}
	msg.SetBody(body)
}

func (d *dialog) numbered(method sip.RequestMethod, sequence uint32) *sip.Request {
	req := sip.NewRequest(method, d.target)
	for i := range d.routes {
		req.AppendHeader(&sip.RouteHeader{Address: d.routes[i]})
	}
	from := &sip.FromHeader{Address: d.local}
	from.Params.Add("tag", d.key.localTag)
	to := &sip.ToHeader{Address: d.remote}
	if d.remoteTag != "" {
		to.Params.Add("tag", d.remoteTag)
	}
	callID := sip.CallIDHeader(d.key.callID)
	maxForwards := sip.MaxForwardsHeader(70)
	req.AppendHeader(from)
	req.AppendHeader(to)
	req.AppendHeader(&callID)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: sequence, MethodName: method})
	req.AppendHeader(&maxForwards)
	hop := d.target
	if len(d.routes) > 0 {
		hop = d.routes[0] // a loose router; a strict one is not to be met any more
	}
	d.way.address(req, hop)
	if len(d.routes) == 0 {
		d.way.behind(req)
	}
	return req
}

// routeSet reads Record-Route headers; reversed for the side that sent the
// dialog's first request (RFC 3261, section 12.1).
func routeSet(msg gate.Headed, reversed bool) []sip.Uri {
	var out []sip.Uri
	for h := range gate.Named(msg, "Record-Route") {
		rr, ok := h.(*sip.RecordRouteHeader)
		if !ok {
			continue
		}
		if reversed {
			out = append([]sip.Uri{rr.Address}, out...)
		} else {
			out = append(out, rr.Address)
		}
	}
	return out
}
