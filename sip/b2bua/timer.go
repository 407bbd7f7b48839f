package b2bua

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/sip/gate"
)

const (
	// defaultSession is the session interval that we ask for, leastSession the
	// shortest one that we take (RFC 4028, sections 4 and 5), mostSession the
	// longest one that we go up to when a far end wants more.
	defaultSession = 30 * time.Minute
	leastSession   = 90 * time.Second
	mostSession    = 24 * time.Hour
)

// sessionTimer keeps one leg's session alive (RFC 4028), independently of the other
// leg's. The interval is 0 where the far end knows no session timers.
type sessionTimer struct {
	interval time.Duration
	ours     bool          // we refresh
	least    time.Duration // what the far end said it takes at least
	usual    time.Duration // what we ask for, if not the default
	refresh  *time.Timer
	expiry   *time.Timer
}

func (t *sessionTimer) stop() {
	for _, timer := range []*time.Timer{t.refresh, t.expiry} {
		if timer != nil {
			timer.Stop()
		}
	}
	t.refresh, t.expiry = nil, nil
}

// sessionExpires reads Session-Expires: the interval, 0 if there is none, and who
// refreshes: "uac", "uas" or nobody yet.
func sessionExpires(msg gate.Headed) (time.Duration, string) {
	value := first(msg, "Session-Expires", "x")
	interval, parameters, _ := strings.Cut(value, ";")
	refresher := ""
	for p := range strings.SplitSeq(parameters, ";") {
		if name, who, _ := strings.Cut(p, "="); strings.EqualFold(strings.TrimSpace(name), "refresher") {
			refresher = strings.ToLower(strings.TrimSpace(who))
		}
	}
	return deltaSeconds(interval), refresher
}

// minSE reads Min-SE, 0 if there is none.
func minSE(msg gate.Headed) time.Duration {
	value, _, _ := strings.Cut(first(msg, "Min-SE"), ";")
	return deltaSeconds(value)
}

func deltaSeconds(s string) time.Duration {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

func first(msg gate.Headed, names ...string) string {
	for _, name := range names {
		for h := range gate.Named(msg, name) {
			return h.Value()
		}
	}
	return ""
}

func inSeconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

// tooShort is the answer to a request whose session would be shorter than we take;
// nil if it is long enough (RFC 4028, section 9).
func tooShort(req *sip.Request) sip.Header {
	if asked, _ := sessionExpires(req); asked == 0 || asked >= leastSession || !supports(req, "timer") {
		return nil
	}
	return sip.NewHeader("Min-SE", inSeconds(leastSession))
}

// asServer settles the session timer that a far end's INVITE or UPDATE asks for and
// gives the headers of our 2xx. A far end that asks for one refreshes itself, unless
// it wants us to; where it merely knows of timers we refresh: not all that say so do.
func (e *end) asServer(req *sip.Request) []sip.Header {
	e.timer.stop()
	e.timer.interval = 0
	if !supports(req, "timer") || e.without("timer") {
		return nil
	}
	asked, refresher := sessionExpires(req)
	switch {
	case asked == 0:
		asked, refresher = max(e.timer.asked(), minSE(req)), "uas"
	case refresher != "uas":
		refresher = "uac"
	}
	e.timer.interval, e.timer.ours = min(asked, mostSession), refresher == "uas"
	e.arm()
	headers := []sip.Header{sip.NewHeader("Session-Expires", inSeconds(e.timer.interval)+";refresher="+refresher)}
	if refresher == "uac" {
		headers = append(headers, sip.NewHeader("Require", "timer"))
	}
	return headers
}

// asking are the headers of our own INVITE or UPDATE about the session timer.
func (e *end) asking(refresher string) []sip.Header {
	if e.without("timer") {
		return nil
	}
	if refresher != "" {
		refresher = ";refresher=" + refresher
	}
	return []sip.Header{
		sip.NewHeader("Session-Expires", inSeconds(e.timer.asked())+refresher),
		sip.NewHeader("Min-SE", inSeconds(max(leastSession, e.timer.least))),
	}
}

// asClient takes what a 2xx to our INVITE or UPDATE says of the session timer.
func (e *end) asClient(res *sip.Response) {
	e.timer.stop()
	interval, refresher := sessionExpires(res)
	e.timer.interval, e.timer.ours = min(interval, mostSession), refresher != "uas"
	e.arm()
}

// raised takes a 422: the interval that the far end takes at least. False says that
// it is more than we go up to, or no more than what it was asked for.
func (e *end) raised(res *sip.Response) bool {
	least := minSE(res)
	if least <= e.timer.asked() || least > mostSession {
		return false
	}
	e.timer.least, e.timer.interval = least, least
	return true
}

// asked is the interval that we ask for.
func (t *sessionTimer) asked() time.Duration {
	if t.interval == 0 {
		return max(cmp.Or(t.usual, defaultSession), t.least)
	}
	return t.interval
}

// arm starts the session's clocks anew: half of the interval until we refresh, and
// its end, less a third or 32 s, until the call is ended (RFC 4028, section 10).
func (e *end) arm() {
	e.timer.stop()
	if e.timer.interval == 0 || e.call.machine.Over() {
		return
	}
	if e.timer.ours {
		e.timer.refresh = e.after(e.timer.interval/2, func(now call.Now) { e.call.refresh(now, e) })
	}
	last := e.timer.interval - min(32*time.Second, e.timer.interval/3)
	e.timer.expiry = e.after(last, func(now call.Now) {
		e.call.do(e.call.machine.HangUp(now, call.CauseExpired))
	})
}

// after runs fn on the call's goroutine later, unless the end has gone by then.
func (e *end) after(d time.Duration, fn func(call.Now)) *time.Timer {
	return time.AfterFunc(d, func() {
		e.call.post(func(now call.Now) {
			if e.call.machine.Talking() && e.call.current(e) {
				fn(now)
			}
		})
	})
}
