package b2bua

import (
	"net/url"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/sip/gate"
)

// referral is what a REFER asks for.
type referral struct {
	number string
	// replaces is the dialog that the call shall take the place of, if any (RFC 3891).
	replaces *replacement
}

// replacement names a dialog as one of its parties knows it.
type replacement struct {
	key       dialogKey
	remoteTag string
}

// referred takes a REFER; one outside of a call would make a call that nobody holds
// money for.
func (s *Switch) referred(req *sip.Request, tx gate.ServerTransaction) {
	if tag, ok := req.To().Params.Get("tag"); !ok || tag == "" {
		s.onOther(req, tx)
		return
	}
	s.within(s.onRefer)(req, tx)
}

// onRefer takes a party's wish to send the call on (RFC 3515), where its policy lets it.
// Who sends a call on pays for where it goes, as if he called there himself.
func (s *Switch) onRefer(_ call.Now, a *asked) {
	e, c := a.end, a.end.call
	to, ok := referred(a.req)
	by := c.partyOf(e)
	switch {
	case !e.policy.GetTransfers():
		a.refuse(405, "Method Not Allowed", sip.NewHeader("Allow", e.allow()))
	case !ok:
		a.refuse(400, "Bad Refer-To")
	case !c.machine.Talking() || !c.current(e) || c.transfer != nil:
		a.refuse(491, "Request Pending")
	case by == "":
		a.refuse(403, "Forbidden") // nobody would pay
	case len(c.chain)+len(c.retired) >= maxForwards:
		c.log.Info("a call is sent on too often", "leg", e.leg, "chain", c.chain)
		a.refuse(482, "Loop Detected")
	default:
		c.transferTo(a, to, by)
	}
}

// partyOf is the originator that a party of the call is when it calls; "" is none.
func (c *session) partyOf(e *end) string {
	world := c.sw.config.World()
	id := c.origin.Id
	if e.leg != 0 {
		id = c.legs[e.leg].plan.Candidate.Terminator
		if !strings.HasPrefix(id, catalog.DevicePeer) {
			return ""
		}
	}
	if o := world.Catalog.Originator(id); o == nil || o.Disabled {
		return ""
	}
	return id
}

// referred reads where a REFER leads: a number or a name, at whatever host, since
// we route it as any other.
func referred(req *sip.Request) (referral, bool) {
	headers := append(req.GetHeaders("Refer-To"), req.GetHeaders("r")...)
	if len(headers) != 1 {
		return referral{}, false
	}
	value := headers[0].Value()
	if inner, found := between(value, '<', '>'); found {
		value = inner
	} else {
		value, _, _ = strings.Cut(value, ";")
	}
	if digits, isTel := strings.CutPrefix(strings.TrimSpace(value), "tel:"); isTel {
		digits, _, _ = strings.Cut(digits, ";")
		return referral{number: digits}, digits != ""
	}
	var u sip.Uri
	if sip.ParseUri(strings.TrimSpace(value), &u) != nil || u.User == "" || u.Scheme != "sip" && u.Scheme != "sips" {
		return referral{}, false
	}
	if method, ok := u.UriParams.Get("method"); ok && !strings.EqualFold(method, "INVITE") {
		return referral{}, false
	}
	r := referral{number: u.User}
	for _, h := range u.Headers {
		if strings.EqualFold(h.K, "Replaces") {
			return r, r.replace(h.V)
		}
	}
	return r, true
}

func between(s string, from, to byte) (string, bool) {
	start, end := strings.IndexByte(s, from), strings.LastIndexByte(s, to)
	if start < 0 || end < start {
		return "", false
	}
	return s[start+1 : end], true
}

// replace reads the value of a Replaces header within a URI.
func (r *referral) replace(value string) bool {
	value, err := url.PathUnescape(value)
	id, rest, _ := strings.Cut(value, ";")
	p := &replacement{key: dialogKey{callID: id}}
	for one := range strings.SplitSeq(rest, ";") {
		name, tag, _ := strings.Cut(one, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "to-tag":
			p.key.localTag = tag
		case "from-tag":
			p.remoteTag = tag
		}
	}
	r.replaces = p
	return err == nil && id != "" && p.key.localTag != "" && p.remoteTag != ""
}
