package call_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/events/wire"
)

// driver carries a machine's effects out as the switch would, with timers that
// run out in time, and keeps account of what it did.
type driver struct {
	t      *rapid.T
	m      *call.Machine
	now    call.Now
	timers map[call.Timer]time.Duration

	invited   uint32 // legs sent, from 1
	cancelled map[uint32]bool
	byes      map[uint32]int
	ended     map[uint32]int
	finals    int // final answers to the caller
	charges   []*wire.ChargeCall
	releases  int
	asked     bool // an extension is under way
	advancing bool // the book is asked for leave to go on to wish
	wish      int
	vendors   int
	passed    map[uint32]bool
	answered  map[uint32]call.Now
	crossed   bool
	lastEnd   uint32
}

func (d *driver) do(effects []call.Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case call.SendInvite:
			for d.invited++; d.invited < e.Leg; d.invited++ {
				if !d.passed[d.invited] || e.Leg > uint32(d.vendors) {
					d.t.Fatalf("leg %d is invited, %d was not, and not passed over", e.Leg, d.invited)
				}
			}
			if e.Leg != d.invited || d.passed[e.Leg] || d.advancing {
				d.t.Fatalf("leg %d is invited after %d legs", e.Leg, d.invited-1)
			}
		case call.Advance:
			d.advancing, d.wish = true, e.Index
		case call.SendCancel:
			if e.Leg == 0 || e.Leg > d.invited || d.cancelled[e.Leg] || d.passed[e.Leg] {
				d.t.Fatalf("leg %d is cancelled", e.Leg)
			}
			d.cancelled[e.Leg] = true
		case call.SendBye:
			d.byes[e.Leg]++
		case call.AnswerCaller, call.RejectCaller:
			d.finals++
		case call.Set:
			if e.After < 0 {
				d.t.Fatalf("timer %s runs for %v", e.Timer, e.After)
			}
			d.timers[e.Timer] = d.now.Mono + e.After
		case call.Clear:
			delete(d.timers, e.Timer)
		case call.Extend:
			d.asked = true
		case call.Charge:
			d.charges = append(d.charges, e.Call)
		case call.Release:
			d.releases++
		case call.Record:
			if l := e.Event.GetLegEnded(); l != nil {
				d.ended[l.Leg]++
				d.lastEnd = l.Leg
			}
		}
	}
	if d.finals > 1 || len(d.charges)+d.releases > 1 {
		d.t.Fatalf("%d final answers, %d charges, %d releases", d.finals, len(d.charges), d.releases)
	}
}

// pass lets time go by; timers run out on the way, the earliest first.
func (d *driver) pass(by time.Duration) {
	end := d.now.Mono + by
	for {
		var next call.Timer
		for t, at := range d.timers {
			if at <= end && (next == "" || at < d.timers[next] || at == d.timers[next] && t < next) {
				next = t
			}
		}
		if next == "" {
			break
		}
		d.move(max(d.now.Mono, d.timers[next]))
		delete(d.timers, next)
		d.do(d.m.Expired(d.now, next))
	}
	d.move(end)
}

func (d *driver) move(to time.Duration) {
	d.now.US += (to - d.now.Mono).Microseconds()
	d.now.Mono = to
}

func (d *driver) input() {
	leg := uint32(rapid.IntRange(0, 4).Draw(d.t, "leg"))
	vendor := max(leg, 1)
	switch rapid.SampledFrom([]string{"wait", "ring", "answer", "fail", "cancel", "bye", "hang up", "book", "leave", "stale timer"}).Draw(d.t, "input") {
	case "wait":
		d.pass(time.Duration(rapid.IntRange(1, 30_000).Draw(d.t, "ms")) * time.Millisecond)
	case "ring":
		d.do(d.m.Ringing(d.now, vendor, rapid.SampledFrom([]uint32{180, 183}).Draw(d.t, "code"), false))
	case "answer":
		d.answer(vendor)
	case "fail":
		code := rapid.SampledFrom([]uint32{302, 404, 408, 486, 487, 500, 503, 603}).Draw(d.t, "code")
		d.do(d.m.Failed(d.now, vendor, code, "Reason", 0))
	case "cancel":
		d.crossed = d.crossed || d.m.Talking()
		d.do(d.m.Cancel(d.now, 0))
	case "bye":
		d.do(d.m.Bye(d.now, leg, 0))
	case "hang up":
		if rapid.IntRange(0, 9).Draw(d.t, "mood") == 0 {
			d.do(d.m.HangUp(d.now, call.CauseOperator))
		}
	case "book":
		d.book()
	case "leave":
		d.leave()
	case "stale timer":
		timer := rapid.SampledFrom([]call.Timer{call.TimerPDD, call.TimerRing, call.TimerExtend, call.TimerCut}).Draw(d.t, "timer")
		d.do(d.m.Expired(d.now, timer))
	}
}

func (d *driver) answer(leg uint32) {
	if leg > d.invited || d.passed[leg] || d.ended[leg] > 0 && !d.cancelled[leg] {
		return // no vendor answers what it was not asked, or has refused
	}
	before, talking := d.byes[leg], d.m.Talking()
	d.do(d.m.Answer(d.now, leg))
	switch {
	case d.cancelled[leg] && d.byes[leg] != before+1:
		d.t.Fatalf("leg %d answered after its CANCEL and got %d BYEs", leg, d.byes[leg]-before)
	case !talking && d.m.Talking():
		d.answered[leg] = d.now
	case talking && d.byes[leg] > before:
		if _, ours := d.answered[leg]; ours {
			d.t.Fatal("a repeated 200 ended the call")
		}
	}
}

func (d *driver) book() {
	if !d.asked {
		return
	}
	d.asked = false
	if rapid.Bool().Draw(d.t, "paid") {
		d.do(d.m.Extended(d.now, d.m.Paid()+time.Duration(rapid.IntRange(0, 60).Draw(d.t, "more"))*time.Second))
	} else {
		d.do(d.m.NotExtended(d.now))
	}
}

// leave answers the question for the next vendor.
func (d *driver) leave() {
	if !d.advancing {
		return
	}
	d.advancing = false
	to := d.wish
	for ; to < d.vendors && rapid.IntRange(0, 3).Draw(d.t, "full") == 0; to++ {
		d.passed[uint32(to+1)] = true
	}
	if rapid.IntRange(0, 5).Draw(d.t, "silent") == 0 {
		d.do(d.m.NotAdvanced(d.now))
		return
	}
	d.do(d.m.Advanced(d.now, to))
}

// over checks the accounts of a call that has ended.
func (d *driver) over() {
	switch {
	case d.finals != 1:
		d.t.Fatalf("the caller got %d final answers", d.finals)
	case len(d.charges)+d.releases != 1:
		d.t.Fatalf("%d charges and %d releases", len(d.charges), d.releases)
	case (len(d.charges) == 1) != (len(d.answered) == 1 && !d.crossed):
		d.t.Fatalf("%d legs answered (crossed: %v), %d charges", len(d.answered), d.crossed, len(d.charges))
	case d.lastEnd != 0 || d.ended[0] != 1:
		d.t.Fatalf("leg 0 ended %d times, and leg %d last", d.ended[0], d.lastEnd)
	case len(d.timers) > 0:
		d.t.Fatalf("timers are left: %v", d.timers)
	}
	for leg := uint32(1); leg <= d.invited; leg++ {
		if d.passed[leg] && d.ended[leg] == 0 {
			continue
		}
		if d.ended[leg] != 1 {
			d.t.Fatalf("leg %d ended %d times", leg, d.ended[leg])
		}
	}
	for _, c := range d.charges {
		from := d.answered[c.EgressLeg]
		raw := d.now.Mono - from.Mono
		if c.RawMs < 0 || c.RawMs > raw.Milliseconds() || c.Candidate+1 != c.EgressLeg {
			d.t.Fatalf("%v was answered %v ago", c, raw)
		}
		if limit := d.m.Paid() - call.Guard; time.Duration(c.RawMs)*time.Millisecond > limit {
			d.t.Fatalf("%d ms of talk, %v are paid", c.RawMs, d.m.Paid())
		}
	}
}

func TestRandomLives(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		paid := time.Duration(rapid.IntRange(1, 120).Draw(rt, "paid")) * time.Second
		vendors := rapid.IntRange(0, 4).Draw(rt, "vendors")
		limited := rapid.SliceOfN(rapid.IntRange(0, 3), 0, 3).Draw(rt, "limited")
		d := &driver{
			t: rt, m: machine(vendors, paid, limited...), vendors: vendors, passed: map[uint32]bool{}, now: at(0), timers: map[call.Timer]time.Duration{},
			cancelled: map[uint32]bool{}, byes: map[uint32]int{}, ended: map[uint32]int{}, answered: map[uint32]call.Now{},
		}
		first := rapid.IntRange(0, max(0, vendors-1)).Draw(rt, "first")
		for i := range first {
			d.passed[uint32(i+1)] = true
		}
		d.do(d.m.Start(d.now, first))
		for range rapid.IntRange(0, 40).Draw(rt, "inputs") {
			over := d.m.Over()
			finals, ended := d.finals, len(d.ended)
			d.input()
			if over && (d.finals != finals || len(d.ended) != ended || !d.m.Over()) {
				rt.Fatal("a call that was over went on")
			}
		}
		if !d.m.Over() {
			d.do(d.m.HangUp(d.now, call.CauseDrained))
		}
		d.over()
	})
}
