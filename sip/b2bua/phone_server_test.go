package b2bua

import (
	"fmt"
	"strings"

	"github.com/emiago/sipgo/sip"
)

func (p *phone) request(req *sip.Request) {
	branch, _ := req.Via().Params.Get("branch")
	if req.IsAck() {
		p.acked(req)
		return
	}
	key := branch + string(req.Method)
	if a := p.theirs[key]; a != nil {
		if a.text != "" {
			p.transmit(a.text)
		}
		return
	}
	tag, _ := req.To().Params.Get("tag")
	l := p.calls[req.CallID().Value()]
	if fork := p.calls[req.CallID().Value()+"-fork"]; fork != nil && tag == fork.local {
		l = fork
	}
	if l == nil && req.IsInvite() {
		l = p.incoming(req)
	}
	a := &answered{leg: l, req: req, wait: sip.T1}
	p.theirs[key] = a
	if l == nil {
		l = &leg{phone: p, local: "none"}
		a.leg = l
		a.answer(481, "Unknown", "", "")
		return
	}
	if contact := req.Contact(); contact != nil {
		l.target = contact.Address.String() // RFC 3261, section 12.2.2
	}
	p.onRequest(l, req)
}

func (p *phone) incoming(req *sip.Request) *leg {
	remote, _ := req.From().Params.Get("tag")
	l := &leg{
		phone: p, id: req.CallID().Value(), local: p.name + "-tag", remote: remote, from: req.To().Address.String(),
		to: req.From().Address.String(), target: req.Contact().Address.String(), direction: "sendrecv", version: 1,
	}
	p.calls[l.id] = l
	return l
}

// came is the record of a request that a script answers.
func (p *phone) came(req *sip.Request) *answered {
	branch, _ := req.Via().Params.Get("branch")
	return p.theirs[branch+string(req.Method)]
}

// answer answers a request; a final answer to an INVITE is repeated until its ACK.
func (a *answered) answer(code int, reason, headers, body string) {
	if a.code >= 200 {
		return
	}
	l := a.leg
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %d %s\r\n", code, reason)
	for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
		for _, h := range a.req.GetHeaders(name) {
			line := h.Value()
			if name == "To" && !strings.Contains(line, "tag=") {
				line += ";tag=" + l.local
			}
			b.WriteString(name + ": " + line + "\r\n")
		}
	}
	if body != "" {
		headers += "Content-Type: application/sdp\r\n"
	}
	fmt.Fprintf(&b, "Contact: <sip:%s@%s>\r\nAllow: INVITE, ACK, CANCEL, BYE, UPDATE, PRACK, INFO\r\n%sContent-Length: %d\r\n\r\n%s",
		l.phone.name, l.phone.at, headers, len(body), body)
	a.text, a.code = b.String(), code
	l.phone.transmit(a.text)
	if code == 200 && body != "" && len(a.req.Body()) > 0 && (!l.early || a != l.answering) {
		l.early = l.early || !a.req.IsInvite() && (l.invite != nil || l.answering != nil && l.answering.code < 200)
		l.agree(directionOf(body), directionOf(string(a.req.Body())))
	}
	if code >= 200 && a.req.IsInvite() {
		a.again()
	}
}

func (a *answered) again() {
	wait := a.wait
	a.leg.phone.after(wait, func() {
		if a.acked {
			return
		}
		if a.total += wait; a.total >= 64*sip.T1 {
			if a.code < 300 {
				a.leg.bye() // a 200 that nobody acknowledged (RFC 3261, section 13.3.1.4)
			}
			return
		}
		a.leg.phone.transmit(a.text)
		a.wait = min(2*a.wait, sip.T2)
		a.again()
	})
}

func (p *phone) acked(ack *sip.Request) {
	tag, _ := ack.To().Params.Get("tag")
	for _, a := range p.theirs {
		if tag == a.leg.local && a.req.IsInvite() && a.req.CallID().Value() == ack.CallID().Value() && a.req.CSeq().SeqNo == ack.CSeq().SeqNo && a.code >= 200 {
			if !a.acked {
				a.leg.acks++
				a.leg.lastAckWithSDP = len(ack.Body()) > 0
				if len(a.req.Body()) == 0 && a.code == 200 && len(ack.Body()) > 0 {
					a.leg.agree(directionOf(a.text), directionOf(string(ack.Body())))
				}
			}
			a.acked = true
		}
	}
}
