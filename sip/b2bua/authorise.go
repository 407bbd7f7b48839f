package b2bua

import (
	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/wire"
)

// authorise answers a vendor's digest challenge to our INVITE, once (RFC 3261,
// section 22). It gives the INVITE that carries the answer and its transaction, or
// nil when the response is no challenge or there is no password for it.
func (l *egress) authorise(t *wire.Terminator, invite *sip.Request, res *sip.Response) (*sip.Request, sip.ClientTransaction) {
	challenge := res.StatusCode == 401 || res.StatusCode == 407
	if !challenge || t.AuthUser == "" || l.authorised {
		return nil, nil
	}
	l.authorised = true
	password, err := l.call.sw.config.Secrets.Unwrap("terminator "+t.Id, t.AuthSecret)
	if err != nil {
		l.call.log.Error("a vendor's challenge cannot be answered", "terminator", t.Id, "err", err)
		return nil, nil
	}
	client := l.call.sw.config.Gate.Client()
	again := invite.Clone()
	again.Laddr = invite.Laddr
	again.SetDestination(invite.Destination())
	tx, err := client.TransactionDigestAuth(l.call.sw.ctx, again, res, sipgo.DigestAuth{Username: t.AuthUser, Password: string(password)})
	if err != nil {
		l.call.log.Warn("a vendor's challenge could not be answered", "terminator", t.Id, "err", err)
		return nil, nil
	}
	return again, tx
}
