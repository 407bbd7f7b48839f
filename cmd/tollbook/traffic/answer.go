package traffic

import (
	"net/netip"

	"github.com/emiago/sipgo/sip"
)

func (a *agent) respond(tx sip.ServerTransaction, req *sip.Request, code int, reason string) {
	a.send(tx, sip.NewResponseFromRequest(req, code, reason, nil))
}

func (a *agent) send(tx sip.ServerTransaction, res *sip.Response) {
	if err := tx.Respond(res); err != nil {
		a.log.Warn("traffic response not sent", "code", res.StatusCode, "err", err)
	}
}

func (a *agent) ok(req *sip.Request, tx sip.ServerTransaction) { a.respond(tx, req, 200, "OK") }

func (a *agent) gone(req *sip.Request, tx sip.ServerTransaction) {
	a.respond(tx, req, 481, "Call/Transaction Does Not Exist")
}

func (a *agent) ack(req *sip.Request, _ sip.ServerTransaction) {
	if d := a.find(req); d != nil {
		d.hear(req.Body()) // the answer to an offer in our 200
		select {
		case d.acked <- struct{}{}:
		default:
		}
	}
}

func (a *agent) bye(req *sip.Request, tx sip.ServerTransaction) {
	d := a.find(req)
	if d == nil {
		a.gone(req, tx)
		return
	}
	a.ok(req, tx)
	d.end()
}

// renew answers a re-INVITE or UPDATE: a session refresh or a new media address.
func (a *agent) renew(req *sip.Request, tx sip.ServerTransaction) {
	d := a.find(req)
	if d == nil {
		a.gone(req, tx)
		return
	}
	var body []byte
	if len(req.Body()) > 0 || req.IsInvite() {
		body = d.body
	}
	d.hear(req.Body())
	d.retarget(req.Contact())
	a.send(tx, a.success(req, d, body))
}

// success is a 200 of a dialog.
func (a *agent) success(req *sip.Request, d *dialog, body []byte) *sip.Response {
	res := sip.NewResponseFromRequest(req, 200, "OK", nil)
	a.finish(res, d, body)
	return res
}

// finish adds what every response within a dialog has.
func (a *agent) finish(res *sip.Response, d *dialog, body []byte) {
	res.To().Params.Add("tag", d.tag())
	res.AppendHeader(a.contact(""))
	if len(body) > 0 {
		res.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
		res.SetBody(body)
	}
}

func (a *agent) contact(user string) *sip.ContactHeader {
	return &sip.ContactHeader{Address: a.uri(user, a.addr)}
}

func (a *agent) uri(user string, at netip.AddrPort) sip.Uri {
	return sip.Uri{Scheme: "sip", User: user, Host: at.Addr().String(), Port: int(at.Port())}
}
