package b2bua

import (
	"errors"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/sip/challenge"
	"github.com/tollbook/tollbook/sip/transaction"
)

// again is what an attempt has tried after a refusal. It belongs to the attempt's
// own goroutine.
type again struct {
	answers   int // to challenges
	raised    bool
	redirects int
}

// retry answers a refusal that another INVITE may mend: a challenge, a session
// interval that is too short, or a redirection. It gives the INVITE and its transaction, or nil.
func (l *egress) retry(t *wire.Terminator, invite *sip.Request, res *sip.Response) (*sip.Request, *transaction.Client) {
	var tx *transaction.Client
	var err error
	next := invite.Clone()
	next.Laddr = invite.Laddr
	next.SetDestination(invite.Destination())
	switch code := res.StatusCode; {
	case challenge.Is(res) && t.AuthUser != "" && l.again.answers < 2 && (l.again.answers == 0 || challenge.Stale(res)):
		l.again.answers++
		tx, err = l.authorise(t, next, res)
	case code == 422 && !l.again.raised:
		l.again.raised = true
		tx, err = l.lengthen(next, res)
	case code < 400 && t.Sip.GetFollowRedirects() && l.again.redirects < maxRedirects:
		l.again.redirects++
		tx, err = l.redirect(t, next, res)
	default:
		return nil, nil
	}
	if err != nil {
		l.call.log.Warn("a vendor's refusal could not be answered", "terminator", t.Id, "code", res.StatusCode, "err", err)
		return nil, nil
	}
	return next, tx
}

// authorise answers a vendor's digest challenge (RFC 3261, section 22).
func (l *egress) authorise(t *wire.Terminator, next *sip.Request, res *sip.Response) (*transaction.Client, error) {
	password, err := l.call.sw.config.Secrets.Unwrap("terminator "+t.Id, t.AuthSecret)
	if err != nil {
		return nil, err
	}
	if err := challenge.Answer(next, res, t.AuthUser, string(password)); err != nil {
		return nil, err
	}
	return l.call.sw.config.Gate.Client().TransactionRequest(l.call.sw.ctx, next)
}

// lengthen asks for the session interval that the vendor takes at least (RFC 4028,
// section 7.3).
func (l *egress) lengthen(next *sip.Request, res *sip.Response) (*transaction.Client, error) {
	least := minSE(res)
	if least <= l.timer.asked() || least > mostSession {
		return nil, errors.New("its session interval is out of bounds")
	}
	for _, name := range []string{"Session-Expires", "Min-SE"} {
		next.ReplaceHeader(sip.NewHeader(name, inSeconds(least)))
	}
	next.CSeq().SeqNo++
	next.RemoveHeader("Via")
	return l.call.sw.config.Gate.Client().TransactionRequest(l.call.sw.ctx, next)
}
