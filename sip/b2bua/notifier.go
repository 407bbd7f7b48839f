package b2bua

import (
	"fmt"
	"strconv"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/call"
)

// notifier tells who sent a call on what becomes of it (RFC 3515, section 2.4), one
// thing after the other. It belongs to the call's goroutine.
type notifier struct {
	call   *session
	dialog *dialog
	quiet  bool   // nobody wants to know (RFC 4488)
	id     uint32 // the CSeq of the REFER
	busy   bool
	notes  []note
	after  func() // when all is said
}

type note struct {
	fragment string
	last     bool
}

// accepted answers a REFER, whose sender is told the rest by NOTIFY unless he does
// not want it.
func (a *asked) accepted(n *notifier) {
	n.id, n.quiet = a.req.CSeq().SeqNo, first(a.req, "Refer-Sub") == "false"
	more := []sip.Header{&sip.ContactHeader{Address: a.end.dialog.way.contact()}}
	if n.quiet {
		more = append(more, sip.NewHeader("Refer-Sub", "false"))
	}
	a.refuse(202, "Accepted", more...)
}

// say tells the status of the new call.
func (n *notifier) say(code int, reason string, last bool) {
	if !n.quiet {
		n.notes = append(n.notes, note{fmt.Sprintf("SIP/2.0 %d %s\r\n", code, clip(reason)), last})
	}
	n.next()
}

// then runs fn when all that was said is answered.
func (n *notifier) then(fn func()) {
	n.after = fn
	n.next()
}

func (n *notifier) next() {
	switch {
	case n.busy:
		return
	case len(n.notes) == 0:
		if after := n.after; after != nil {
			n.after = nil
			after()
		}
		return
	}
	one := n.notes[0]
	n.notes, n.busy = n.notes[1:], true
	req := n.dialog.request(sip.NOTIFY)
	req.AppendHeader(&sip.ContactHeader{Address: n.dialog.way.contact()})
	req.AppendHeader(sip.NewHeader("Event", "refer;id="+strconv.FormatUint(uint64(n.id), 10)))
	state := "active;expires=" + inSeconds(forwardRings)
	if one.last {
		state = "terminated;reason=noresource"
	}
	req.AppendHeader(sip.NewHeader("Subscription-State", state))
	kind := sip.ContentTypeHeader("message/sipfrag;version=2.0")
	req.AppendHeader(&kind)
	req.SetBody([]byte(one.fragment))
	n.call.transact(req, nil, func(_ call.Now, res *sip.Response) {
		if res == nil || !res.IsProvisional() {
			n.busy = false
			n.next()
		}
	})
}
