package b2bua

import (
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/sip/transaction"
)

// repeated acknowledges a 2xx that came again. One with another tag is a second
// fork's: it is acknowledged, too, and ended.
func (l *egress) repeated(res *sip.Response) {
	if !whole(res) {
		return
	}
	tag, _ := res.To().Params.Get("tag")
	if l.acks.repeat(l.call.log, tag) {
		return
	}
	l.call.postAsync(func(call.Now) {
		switch {
		case l.acks.repeat(l.call.log, tag):
		case l.final:
			l.forked(res)
		case len(l.others) < maxForks:
			l.others = append(l.others, res) // it overtook the first one
		}
	})
}

// leave has what still comes for an attempt of a call that is over heard without it.
func (l *egress) leave() {
	sw, acks, by := l.call.sw, l.acks, l.dialog.way.listener
	late := func(res *sip.Response) {
		if !whole(res) {
			return
		}
		if tag, _ := res.To().Params.Get("tag"); !acks.repeat(sw.config.Logger, tag) {
			sw.disown(by, res)
		}
	}
	if l.tx != nil {
		l.tx.OnRepeat(late)
	}
	if l.rings == nil {
		return
	}
	for _, b := range l.rings.branches {
		if b.tx != nil {
			b.tx.OnRepeat(late)
		}
	}
}

// forked ends what another fork's 2xx began.
func (l *egress) forked(res *sip.Response) {
	if tag, _ := res.To().Params.Get("tag"); tag != l.dialog.remoteTag {
		l.disown(res)
	}
}

// disown acknowledges an answer that is one too many, and ends what it began.
func (l *egress) disown(res *sip.Response) {
	fork := l.dialog
	fork.follow(res)
	l.acks.send(l.call, fork.remoteTag, fork.ack(res.CSeq().SeqNo, nil))
	fork.sendBye(l.call, call.SendBye{Leg: l.leg, Reason: "another fork has answered", Q850: 26})
}

// cancel gives the attempt up, at once or with its first provisional answer
// (RFC 3261, section 9.1).
func (l *egress) cancel(q850 uint32) {
	if l.final || l.cancelling {
		return
	}
	l.cancelling, l.reason = true, q850
	switch {
	case l.rings != nil:
		l.rings.cancel()
	case l.heard:
		l.sendCancel()
	}
}

func (l *egress) sendCancel() {
	if l.final || l.tx == nil {
		return
	}
	l.call.cancel(l.invite, l.tx, l.reason)
}

// cancel takes an INVITE back that has had a provisional answer and no final one.
func (c *session) cancel(invite *sip.Request, tx *transaction.Client, q850 uint32) {
	req := sip.NewRequest(sip.CANCEL, invite.Recipient)
	req.AppendHeader(sip.HeaderClone(invite.Via()))
	for _, h := range invite.GetHeaders("Route") {
		req.AppendHeader(sip.HeaderClone(h))
	}
	for _, name := range []string{"From", "To", "Call-ID"} {
		req.AppendHeader(sip.HeaderClone(invite.GetHeader(name)))
	}
	req.AppendHeader(&sip.CSeqHeader{SeqNo: invite.CSeq().SeqNo, MethodName: sip.CANCEL})
	maxForwards := sip.MaxForwardsHeader(70)
	req.AppendHeader(&maxForwards)
	if q850 != 0 {
		req.AppendHeader(reasonHeader(q850, "cancelled"))
	}
	req.SetTransport(invite.Transport())
	req.SetDestination(invite.Destination())
	req.Laddr = invite.Laddr // from the socket that sent the INVITE
	c.transact(req, nil, func(_ call.Now, res *sip.Response) {
		if res == nil || !res.IsProvisional() {
			time.AfterFunc(patience(), tx.Terminate) // should no final answer follow
		}
	})
}
