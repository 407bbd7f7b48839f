package b2bua

import (
	"fmt"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/wire"
)

// plan is what the two sides of a call will do.
type plan struct {
	edit func(*wire.Originator, []*wire.Terminator)
	// of the caller's:
	offerless, reliable, deaf, merged bool
	cancelAfter                       time.Duration // 0 for never
	headers                           string
	talk                              time.Duration // then he sends BYE; 0 leaves it to others
	changes                           []change
	rushed                            bool          // his BYE is out before his ACK
	fickle                            bool          // now and then either side refuses a change
	slow                              bool          // changes are agreed to after a while
	stubborn                          bool          // and even if they are taken back
	prackAfter                        time.Duration // how long he takes to a PRACK; below 0 for ever
	refusals                          []int         // what our refreshes are refused with, one after the other
	sdp, vendorSDP                    string        // odd descriptions
	early                             []change      // before the answer, after the INVITE
	prackOffer                        string        // the direction that his PRACKs offer
	refer                             string        // the number that REFERs lead to
	leaves                            bool          // who sends the call on hangs up at once
	thinks                            time.Duration // how long the book takes to let the call go on to another vendor
	moves                             time.Duration // then the switch dies, and another one goes on; 0 for never
	// of the vendors', by number:
	vendors [2]vendorPlan
}

type vendorPlan struct {
	rings   []ring
	after   time.Duration // of the final answer
	code    int           // 200, a refusal, 0 for none ever
	headers string        // of the final answer
	forks   bool          // another one answers, too
	crosses bool          // a CANCEL is met by a 200
	mute    bool          // a CANCEL is answered, the INVITE never
	talk    time.Duration // then BYE; 0 leaves it to others
	changes []change
	early   []change // before the answer, after the INVITE
}

type ring struct {
	code     int
	sdp      bool
	reliable bool
}

// change is something that a side does in the middle of the call.
type change struct {
	at   time.Duration // after the answer
	kind string        // hold, resume, ask, update, refresh, tone, withdrawn
}

func (p *plan) cancels() bool { return p.cancelAfter > 0 }

// unheard is how much less than the phones see may be charged: a caller who hears
// nothing is cut off 32 s after the answer and learns of it at once, and a call that no
// other switch could go on with is charged to its last proof of life.
func (p *plan) unheard() time.Duration {
	if p.moves > 0 {
		return 10 * time.Second
	}
	return 0
}

// length is how long everything takes, the last transactions included.
func (p *plan) length() time.Duration { return 12 * time.Minute }

// start places the call.
func (r *rig) start() {
	p := r.caller
	p.mu.Lock()
	defer p.mu.Unlock()
	l := &leg{
		phone: p, id: "the-call", local: "caller-tag", from: "sip:15550100@" + callerAddr.String(), to: "sip:4420@" + gateAddr.String(),
		target: "sip:4420@" + gateAddr.String(), seq: 10, direction: "sendrecv", version: 1, deaf: r.plan.deaf, prackAfter: r.plan.prackAfter,
	}
	p.calls[l.id], r.call = l, l
	headers, body := "Supported: timer\r\n"+r.plan.headers, l.description()
	if r.plan.reliable {
		headers += "Require: 100rel\r\n"
	}
	if r.plan.offerless {
		body = ""
	}
	loops := 0
	done := func(res *sip.Response) {
		if r.plan.merged && res != nil && res.StatusCode == 482 && loops == 0 {
			loops++ // the other one is the call
			return
		}
		r.outcome(res)
	}
	invite := l.request("INVITE", headers, body, done)
	if r.plan.merged {
		l.submit("INVITE", p.branch(), l.seq, headers, body, done)
	}
	if r.plan.cancelAfter > 0 {
		p.after(r.plan.cancelAfter, invite.cancel)
	}
	l.prackOffer = r.plan.prackOffer
	for _, c := range r.plan.early {
		p.after(c.at, func() { r.earlier(l, c.kind) })
	}
}

// earlier has a side change the session before the answer, to a direction or by an
// empty UPDATE.
func (r *rig) earlier(l *leg, direction string) {
	if l.closed || !l.began.IsZero() || l.remote == "" {
		return
	}
	body := ""
	if direction != "refresh" {
		body = l.describe(direction)
	}
	l.request("UPDATE", "", body, func(res *sip.Response) {
		if res != nil {
			r.earlyMu.Lock() // both sides have phones of their own
			defer r.earlyMu.Unlock()
			r.earlyCodes = append(r.earlyCodes, res.StatusCode)
		}
	})
}

// outcome is the final answer to the caller's INVITE.
func (r *rig) outcome(res *sip.Response) {
	l := r.call
	switch {
	case res == nil:
		l.close()
	case res.IsSuccess():
		l.began = time.Now()
		r.talks(l, r.plan.talk, r.plan.changes)
		if r.plan.cancels() {
			l.phone.after(r.plan.cancelAfter+5*time.Second, l.bye) // his CANCEL came too late
		}
		if r.plan.rushed {
			l.bye()
		}
	default:
		r.refused = res.StatusCode
		l.close()
	}
}

// talks lets a side change the session, and hang up.
func (r *rig) talks(l *leg, talk time.Duration, changes []change) {
	for _, c := range changes {
		l.phone.after(c.at, func() { r.change(l, c.kind, 0) })
	}
	if talk > 0 {
		l.phone.after(talk, l.bye)
	}
}

func (r *rig) change(l *leg, kind string, tries int) {
	if l.closed {
		return
	}
	if l.invite != nil {
		l.phone.after(time.Second, func() { r.change(l, kind, tries) })
		return
	}
	done := func(res *sip.Response) {
		switch {
		case res == nil || res.StatusCode == 481 || res.StatusCode == 408:
			l.bye() // RFC 3261, section 12.2.1.2
		case (res.StatusCode == 491 || res.StatusCode == 500) && tries < 6:
			l.phone.after(time.Duration(500+r.draw(3000))*time.Millisecond, func() { r.change(l, kind, tries+1) })
		}
	}
	switch kind {
	case "hold":
		l.request("INVITE", "", l.describe("sendonly"), done)
	case "resume":
		l.request("INVITE", "", l.describe("sendrecv"), done)
	case "ask":
		l.request("INVITE", "", "", done)
	case "update":
		l.request("UPDATE", "", l.describe("inactive"), done)
	case "refresh":
		l.request("UPDATE", "", "", done)
	case "refer":
		l.request("REFER", "Refer-To: <sip:"+r.plan.refer+"@"+gateAddr.String()+">\r\n", "", func(res *sip.Response) {
			if res != nil {
				r.referred = append(r.referred, res.StatusCode)
			}
			if res != nil && res.StatusCode == 202 && r.plan.leaves {
				l.bye()
			}
		})
	case "tone":
		l.request("INFO", "Content-Type: application/dtmf-relay\r\n", "Signal=5\r\nDuration=160\r\n", done)
	case "impostor": // somebody who knows half of the dialog
		other := *l
		other.local = "guessed"
		other.request("BYE", "", "", func(res *sip.Response) {
			if res == nil || res.StatusCode != 481 {
				r.t.Errorf("an impostor's BYE is answered %v", res)
			}
		})
	case "withdrawn":
		l.request("INVITE", "", l.describe("recvonly"), done).cancel()
	}
}

func (r *rig) draw(n int) int {
	r.air.mu.Lock()
	defer r.air.mu.Unlock()
	return r.air.rng.IntN(n)
}

// within answers what either side is sent in its dialog.
func (r *rig) within(l *leg, req *sip.Request) {
	a := l.phone.came(req)
	switch req.Method {
	case sip.BYE:
		a.answer(200, "OK", "", "")
		l.close()
	case sip.NOTIFY:
		a.answer(200, "OK", "", "")
		r.told = append(r.told, strings.TrimSpace(string(req.Body())))
	case sip.CANCEL:
		a.answer(200, "OK", "", "")
		branch, _ := req.Via().Params.Get("branch")
		if invite := l.phone.theirs[branch+"INVITE"]; invite != nil {
			if !r.plan.stubborn {
				invite.answer(487, "Request Terminated", "", "")
			}
		}
	case sip.INVITE, sip.UPDATE:
		body := ""
		if req.IsInvite() && !r.plan.slow || len(req.Body()) > 0 {
			body = l.describe(answering(string(req.Body())))
		}
		switch {
		case l.closed:
			a.answer(481, "Gone", "", "")
		case l.invite != nil && (req.IsInvite() || l.reliable == 0):
			a.answer(491, "Request Pending", "", "")
		case len(r.plan.refusals) > 0 && (len(req.Body()) == 0 || r.plan.refusals[0] < 0):
			code := max(r.plan.refusals[0], -r.plan.refusals[0])
			r.plan.refusals = r.plan.refusals[1:]
			a.answer(code, "Not Now", "Min-SE: 200\r\n", "")
		case req.IsInvite() && r.plan.fickle && r.draw(10) == 0:
			a.answer(488, "Not Acceptable Here", "", "")
		case req.IsInvite() && r.plan.slow:
			a.answer(100, "Trying", "", "")
			l.phone.after(400*time.Millisecond, func() {
				if a.code < 200 && !l.closed {
					a.answer(200, "OK", "", l.describe(answering(string(req.Body()))))
				} else {
					a.answer(487, "Request Terminated", "", "")
				}
			})
		default:
			a.answer(200, "OK", "", body)
		}
	default:
		a.answer(200, "OK", "", "")
	}
}

// answering is the direction that answers an offer's.
func answering(offer string) string {
	switch d := directionOf(offer); d {
	case "sendonly":
		return "recvonly"
	case "recvonly":
		return "sendonly"
	default:
		return d
	}
}

// atVendor answers what a vendor is sent.
func (r *rig) atVendor(l *leg, req *sip.Request) {
	p := l.phone
	n := strings.TrimPrefix(p.name, "vendor")
	v := &r.plan.vendors[int(n[0]-'1')]
	a := p.came(req)
	if req.Method == sip.CANCEL {
		branch, _ := req.Via().Params.Get("branch")
		a.answer(200, "OK", "", "")
		if invite := p.theirs[branch+"INVITE"]; invite != nil && l.answering == invite {
			switch {
			case v.crosses:
				r.vendorAnswers(v, invite)
			case !v.mute:
				invite.answer(487, "Request Terminated", "", "")
			}
		} else if invite != nil && !r.plan.stubborn {
			invite.answer(487, "Request Terminated", "", "")
		}
		return
	}
	if !req.IsInvite() || l.answering != nil {
		r.within(l, req)
		return
	}
	l.answering = a
	for _, c := range v.early {
		p.after(c.at, func() { r.earlier(l, c.kind) })
	}
	wait := 50 * time.Millisecond
	for i, ring := range v.rings {
		p.after(wait, func() { r.rings(a, ring, i+1) })
		wait += 300 * time.Millisecond
	}
	if v.code != 0 {
		p.after(v.after, func() {
			if v.code == 200 {
				r.vendorAnswers(v, a)
			} else {
				a.answer(v.code, "No", v.headers, "")
				l.answering = nil // a redirection may lead here again
			}
		})
	}
}

func (r *rig) rings(a *answered, ring ring, number int) {
	if a.code >= 200 {
		return
	}
	headers, body := "", ""
	if ring.sdp && !r.plan.offerless {
		body = a.leg.description()
	}
	if ring.reliable && strings.Contains(a.req.GetHeader("Supported").Value(), "100rel") {
		headers = fmt.Sprintf("Require: 100rel\r\nRSeq: %d\r\n", number)
	}
	a.answer(ring.code, "Ringing", headers, body)
}

func (r *rig) vendorAnswers(v *vendorPlan, a *answered) {
	l := a.leg
	if a.code >= 200 {
		return
	}
	l.began = time.Now()
	if len(a.req.Body()) > 0 && !l.early {
		l.describe(answering(string(a.req.Body())))
	}
	a.answer(200, "OK", v.headers, l.description())
	r.talks(l, v.talk, v.changes)
	if v.forks {
		r.forks(a, v.talk)
	}
}

// forks has another phone behind the same vendor answer, too: it wants an ACK and
// a BYE of its own.
func (r *rig) forks(a *answered, talk time.Duration) {
	second := *a.leg
	second.local, second.closed = second.local+"2", false
	l := &second
	l.phone.calls[l.id+"-fork"] = l
	l.began = time.Now()
	fork := &answered{leg: l, req: a.req, wait: sip.T1}
	l.phone.theirs["fork"] = fork
	fork.answer(200, "OK", "", l.description())
	r.talks(l, talk, nil)
}
