package b2bua

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/sip/gate"
	"github.com/tollbook/tollbook/sip/transaction"
)

// maxRedirects bounds the 3xx answers that one attempt follows.
const maxRedirects = 3

// sentOn answers a new call with a 302 where it is to go to another address of ours
// (RFC 3261, section 8.3). An emergency call is taken where it comes.
func (s *Switch) sentOn(from *caller, req *sip.Request, tx gate.ServerTransaction) bool {
	if s.config.Redirect == nil || from.urgent || len(from.chain) > 0 {
		return false
	}
	to := s.config.Redirect(from.origin, s.config.Gate.ListenerOf(tx), req)
	if len(to) == 0 {
		return false
	}
	var contacts []sip.Header
	for i, uri := range to {
		c := &sip.ContactHeader{Address: uri}
		c.Params.Add("q", fmt.Sprintf("0.%d", max(1, 9-i)))
		contacts = append(contacts, c)
	}
	s.respond(req, tx, 302, "Moved Temporarily", contacts...)
	return true
}

// redirect follows a 3xx to the first Contact that is allowed: an enabled terminator
// of the same company, for the same number, since that is what money is held for
// (RFC 3261, section 8.1.3.4).
func (l *egress) redirect(t *wire.Terminator, next *sip.Request, res *sip.Response) (*transaction.Client, error) {
	for _, h := range res.GetHeaders("Contact") {
		contact, ok := h.(*sip.ContactHeader)
		if !ok || contact.Address.User != next.Recipient.User {
			continue
		}
		to := l.allowed(t, contact.Address)
		if to == nil {
			continue
		}
		next.Recipient = sip.Uri{Scheme: "sip", User: next.Recipient.User, Host: gate.URIHost(to.Host), Port: int(to.Port)}
		if transport := cmp.Or(to.Transport, "udp"); transport != "udp" {
			next.Recipient.UriParams.Add("transport", transport)
		}
		way{listener: l.dialog.way.listener, transport: cmp.Or(to.Transport, "udp")}.address(next, next.Recipient)
		next.CSeq().SeqNo++
		next.RemoveHeader("Via")
		return l.call.sw.config.Gate.Client().TransactionRequest(l.call.sw.ctx, next)
	}
	return nil, errors.New("it redirects to nobody that may be called")
}

// allowed is the terminator behind an address that a 3xx names; nil if it may not
// be called.
func (l *egress) allowed(t *wire.Terminator, contact sip.Uri) *wire.Terminator {
	for _, it := range l.call.sw.config.World().Catalog.List(catalog.KindTerminator) {
		to := it.Entity.GetTerminator()
		if to.Company == t.Company && !to.Disabled && sameHost(to.Host, contact.Host) && cmp.Or(int(to.Port), 5060) == cmp.Or(contact.Port, 5060) {
			return to
		}
	}
	return nil
}

func sameHost(a, b string) bool {
	b = strings.Trim(b, "[]")
	x, errX := netip.ParseAddr(a)
	y, errY := netip.ParseAddr(b)
	if errX == nil && errY == nil {
		return x.Unmap() == y.Unmap()
	}
	return strings.EqualFold(a, b)
}
