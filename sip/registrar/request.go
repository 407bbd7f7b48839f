package registrar

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/money"
)

// maxOffers bounds the contacts of one REGISTER.
const maxOffers = 10

// read makes a change of a REGISTER. A request without contacts asks for nothing:
// then the change is nil.
func read(req *sip.Request, source netip.AddrPort, now time.Time) (*change, *refusal) {
	c := &change{base: Binding{
		Source: source.String(), Transport: sip.NetworkToLower(req.Transport()), CallID: req.CallID().Value(), CSeq: req.CSeq().SeqNo,
		Refreshed: now.UnixMicro(),
	}}
	if len(c.base.CallID) > maxURI {
		return nil, &refusal{400, "Call-ID Too Long"}
	}
	if ua := req.GetHeader("User-Agent"); ua != nil {
		c.base.Agent = ua.Value()[:min(len(ua.Value()), maxAgent)]
	}
	if r := c.path(req); r != nil {
		return nil, r
	}
	life, given, r := expires(req)
	if r != nil {
		return nil, r
	}
	headers := req.GetHeaders("Contact")
	switch {
	case len(headers) == 0:
		return nil, nil
	case len(headers) > maxOffers:
		return nil, &refusal{400, "Too Many Contacts"}
	}
	for _, h := range headers {
		contact, ok := h.(*sip.ContactHeader)
		if !ok {
			return nil, &refusal{400, "Bad Contact"}
		}
		if contact.Address.Wildcard {
			if len(headers) > 1 || !given || life != 0 {
				return nil, &refusal{400, "Bad Wildcard"}
			}
			c.all = true
			continue
		}
		o, r := offered(contact, life)
		if r != nil {
			return nil, r
		}
		c.base.NAT = c.base.NAT || behindNAT(req, &o.uri, source)
		c.contacts = append(c.contacts, o)
	}
	return c, nil
}

// path keeps the proxies on the way (RFC 3327).
func (c *change) path(req *sip.Request) *refusal {
	for _, h := range req.GetHeaders("Path") {
		for _, text := range strings.Split(h.Value(), ",") {
			text = strings.TrimSpace(text)
			start, end := strings.IndexByte(text, '<'), strings.IndexByte(text, '>')
			if start < 0 || end < start || len(text) > maxURI || len(c.base.Path) == maxPath {
				return &refusal{400, "Bad Path"}
			}
			var u sip.Uri
			if sip.ParseUri(text[start+1:end], &u) != nil {
				return &refusal{400, "Bad Path"}
			}
			c.base.Path = append(c.base.Path, text[start+1:end])
		}
	}
	return nil
}

// expires is the life that the request asks for as a whole.
func expires(req *sip.Request) (life time.Duration, given bool, r *refusal) {
	h := req.GetHeader("Expires")
	if h == nil {
		return MaxExpires, false, nil
	}
	life, ok := seconds(h.Value())
	if !ok {
		return 0, false, &refusal{400, "Bad Expires"}
	}
	return life, true, nil
}

// seconds reads a delta of time; what does not fit is as long as can be.
func seconds(text string) (time.Duration, bool) {
	text = strings.TrimSpace(text)
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return MaxExpires, true
	}
	return time.Duration(n) * time.Second, true
}

func offered(h *sip.ContactHeader, life time.Duration) (offer, *refusal) {
	o := offer{uri: h.Address, q: 1000, life: life}
	if o.uri.Scheme != "sip" && o.uri.Scheme != "sips" || o.uri.Host == "" || len(o.uri.Headers) > 0 {
		return o, &refusal{400, "Bad Contact"}
	}
	if o.contact = o.uri.String(); len(o.contact) > maxURI {
		return o, &refusal{400, "Contact Too Long"}
	}
	if text, ok := h.Params.Get("expires"); ok {
		if o.life, ok = seconds(text); !ok {
			return o, &refusal{400, "Bad Expires"}
		}
	}
	if text, ok := h.Params.Get("q"); ok {
		q, err := money.ParseDecimal(text, 3)
		if err != nil || q < 0 || q > 1000 {
			return o, &refusal{400, "Bad Q Value"}
		}
		o.q = int(q)
	}
	if o.life > 0 && o.life < MinExpires {
		return o, &refusal{423, "Interval Too Brief"}
	}
	o.life = min(o.life, MaxExpires)
	return o, nil
}
