package b2bua

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// dialogKey names a dialog by what a request within it carries: the Call-ID and
// the tag that is ours.
type dialogKey struct{ callID, localTag string }

// dialogEntry leads from a dialog to its call.
type dialogEntry struct {
	call *session
	leg  uint32
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
	entered   bool
}

// enter lets the switch find the dialog.
func (d *dialog) enter(s *Switch, c *session, leg uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dialogs[d.key] = &dialogEntry{call: c, leg: leg}
	d.entered = true
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
	if method != sip.ACK {
		d.sequence++
	}
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
	req.AppendHeader(&sip.CSeqHeader{SeqNo: d.sequence, MethodName: method})
	req.AppendHeader(&maxForwards)
	hop := d.target
	if len(d.routes) > 0 {
		hop = d.routes[0] // a loose router; a strict one is not to be met any more
	}
	d.way.address(req, hop)
	return req
}

// routeSet reads Record-Route headers; reversed for the side that sent the
// dialog's first request (RFC 3261, section 12.1).
func routeSet(msg interface{ GetHeaders(string) []sip.Header }, reversed bool) []sip.Uri {
	var out []sip.Uri
	for _, h := range msg.GetHeaders("Record-Route") {
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

// reasonHeader tells why a request ends a call (RFC 3326).
func reasonHeader(q850 uint32, text string) sip.Header {
	return sip.NewHeader("Reason", fmt.Sprintf("Q.850;cause=%d;text=%q", q850, text))
}

// q850Of reads the Q.850 cause out of a message's Reason headers, or derives it
// from a status code (RFC 3398, section 8.2.6.1).
func q850Of(msg interface{ GetHeaders(string) []sip.Header }, code int) uint32 {
	for _, h := range msg.GetHeaders("Reason") {
		v := strings.ToLower(h.Value())
		if !strings.HasPrefix(v, "q.850") {
			continue
		}
		if _, rest, ok := strings.Cut(v, "cause="); ok {
			digits, _, _ := strings.Cut(rest, ";")
			if n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 8); err == nil {
				return uint32(n)
			}
		}
	}
	switch code {
	case 200:
		return 16
	case 404, 484, 604:
		return 1
	case 408, 504:
		return 102
	case 480:
		return 18
	case 486, 600:
		return 17
	case 403, 603:
		return 21
	case 487:
		return 16
	case 488, 606:
		return 65
	default:
		return 41
	}
}
