package quality_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/projections/quality"
)

const (
	second = int64(1_000_000)
	minute = 60 * second
	noon   = 1_800_000_000 * second / 3600_000_000 * 3600_000_000
)

// try is one attempt: times after its start, 0 for never.
type try struct {
	vendor, prefix     string
	at                 int64
	ring, answer, talk int64
	code               uint32
	by                 wire.EndedBy
}

func play(v *quality.View, n int, a try) {
	id := events.CallID(events.KeyOf(fmt.Sprint(n)))
	body := []*wire.Event{{Body: &wire.Event_AttemptStarted{AttemptStarted: &wire.AttemptStarted{
		Call: id[:], Leg: 1, Terminator: a.vendor, Prefix: a.prefix, AtUs: a.at}}}}
	end := a.at
	if a.ring > 0 {
		end = a.at + a.ring
		body = append(body, &wire.Event{Body: &wire.Event_LegRinging{LegRinging: &wire.LegRinging{Call: id[:], Leg: 1, AtUs: end}}})
	}
	if a.answer > 0 {
		end = a.at + a.answer
		body = append(body, &wire.Event{Body: &wire.Event_LegAnswered{LegAnswered: &wire.LegAnswered{Call: id[:], Leg: 1, AtUs: end}}})
	}
	body = append(body, &wire.Event{Body: &wire.Event_LegEnded{LegEnded: &wire.LegEnded{
		Call: id[:], Leg: 1, AtUs: end + a.talk, SipCode: a.code, RawMs: a.talk / 1000, EndedBy: a.by}}})
	for _, e := range body {
		v.Apply(events.Recorded{Event: e}, events.Recorded{Event: &wire.Event{}})
	}
}

func TestFigures(t *testing.T) {
	v := quality.New()
	for i, a := range []try{
		{vendor: "a", prefix: "49", at: noon, ring: 2 * second, answer: 5 * second, talk: 30 * second, code: 200},
		{vendor: "a", prefix: "49", at: noon, answer: 4 * second, talk: 10 * second, code: 200},
		{vendor: "a", prefix: "49", at: noon, code: 486},
		{vendor: "a", prefix: "49", at: noon, code: 503},
		{vendor: "a", prefix: "49", at: noon, ring: second, code: 487, by: wire.EndedBy_ENDED_BY_CALLER},
		{vendor: "a", prefix: "49", at: noon, code: 487, by: wire.EndedBy_ENDED_BY_CALLER}, // too early to tell
		{vendor: "a", prefix: "4930", at: noon, code: 503},
		{vendor: "b", prefix: "49", at: noon, code: 408},
	} {
		play(v, i, a)
	}
	now := noon + 5*minute
	want := routing.Quality{Attempts: 5, Answered: 2, Effective: 4, TalkMS: 40_000, Rang: 3, PDDMS: 7000}
	for _, window := range []uint32{900, 3600, 86400} {
		if diff := cmp.Diff(want, v.Of("a", "49", window, now)); diff != "" {
			t.Errorf("%d s: %s", window, diff)
		}
	}
	if got := v.Of("a", "", 900, now); got.Attempts != 6 {
		t.Errorf("all prefixes: %+v", got)
	}
	if got := v.Of("b", "49", 900, now); got.Attempts != 1 || got.Effective != 0 {
		t.Errorf("b: %+v", got)
	}
	if v.Of("who", "49", 900, now) != (routing.Quality{}) {
		t.Error("a stranger has figures")
	}
}

func TestWindowsPass(t *testing.T) {
	v := quality.New()
	for i := range 24 * 60 { // one a minute for a day
		play(v, i, try{vendor: "a", prefix: "49", at: noon + int64(i)*minute, code: 503})
	}
	now := noon + (24*60-1)*minute
	for window, want := range map[uint32]uint64{900: 15, 3600: 60, 86400: 24 * 60} {
		if got := v.Of("a", "49", window, now).Attempts; got != want {
			t.Errorf("%d s: %d attempts, want %d", window, got, want)
		}
	}
	for window, want := range map[uint32]uint64{900: 0, 3600: 30, 86400: 23*60 + 0} {
		if got := v.Of("a", "49", window, now+30*minute).Attempts; got > want+60 || window == 900 && got != 0 {
			t.Errorf("%d s, half an hour later: %d attempts, want about %d", window, got, want)
		}
	}
	if got := v.Of("a", "49", 86400, now+25*3600*second); got.Attempts != 0 {
		t.Errorf("a day later: %+v", got)
	}
}

// TestMemoryIsBounded: a flood of prefixes does not grow the view for ever, and
// the terminators' own sums stay right.
func TestMemoryIsBounded(t *testing.T) {
	v := quality.New()
	for i := range 10_000 {
		play(v, i, try{vendor: "a", prefix: fmt.Sprint(i), at: noon, code: 503})
	}
	if n := v.Keys(); n > 8001 {
		t.Errorf("%d keys", n)
	}
	if got := v.Of("a", "", 900, noon).Attempts; got != 10_000 {
		t.Errorf("%d attempts in all", got)
	}
	play(v, 20_000, try{vendor: "a", prefix: "new", at: noon + 48*3600*second, code: 503})
	if v.Keys() > 10 || v.Of("a", "new", 900, noon+48*3600*second).Attempts != 1 {
		t.Error("what is old is not forgotten")
	}
}

func BenchmarkOf(b *testing.B) {
	v := quality.New()
	play(v, 1, try{vendor: "a", prefix: "49", at: noon, code: 503})
	for b.Loop() {
		v.Of("a", "49", 86400, noon)
	}
}
