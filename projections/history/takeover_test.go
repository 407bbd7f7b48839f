package history

import (
	"context"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
	"pgregory.net/rapid"
)

// TestTwoEnds has the end of a call told twice: by the node that took it over, which
// charged it, and by the one that lost it and comes back with an idea of its own. In
// whichever order the journals are read, and whenever that was recorded, the rows are
// those of the charge.
func TestTwoEnds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld()
		p := answeredPlan(noonUS, 1)
		p.talkMS = rapid.Int64Range(2000, 90000).Draw(rt, "talk")
		id := w.call(p)
		answeredUS := noonUS + 3_000_000
		survivor := w.taken(id, answeredUS)
		lateUS := answeredUS + rapid.Int64Range(1, 120_000_000).Draw(rt, "late end")
		rawMS := rapid.Int64Range(0, 100_000).Draw(rt, "late talk")
		for _, leg := range []uint32{1, 0} {
			w.observed(lateUS, &wire.Event{Body: &wire.Event_LegEnded{LegEnded: &wire.LegEnded{
				Call: id[:], Leg: leg, AtUs: lateUS, SipCode: 503, Cause: "shutdown", EndedBy: wire.EndedBy_ENDED_BY_SWITCH,
				RawMs: rawMS, Priced: true, Last: true, Media: &wire.MediaQuality{Packets: 7}}}})
		}
		journals := [][]events.Recorded{w.log, survivor, w.book}
		var rows []string
		for range 2 {
			s := openRapid(rt, t, Options{})
			rest := [][]events.Recorded{journals[0], journals[1], journals[2]}
			for len(rest[0])+len(rest[1])+len(rest[2]) > 0 {
				from := rapid.IntRange(0, 2).Draw(rt, "journal")
				n := rapid.IntRange(0, len(rest[from])).Draw(rt, "events")
				if err := s.Apply(context.Background(), rest[from][:n], nil); err != nil {
					rt.Fatal(err)
				}
				rest[from] = rest[from][n:]
			}
			told, err := s.Call(context.Background(), id)
			if err != nil {
				rt.Fatal(err)
			}
			for _, leg := range told.Legs {
				if leg.RawMS != p.talkMS || leg.Cause != "answered" || leg.State != Final || leg.EndedUS != answeredUS+p.talkMS*1000 {
					rt.Fatalf("%+v", leg)
				}
			}
			rows = append(rows, dump(t, s))
			if err := s.Close(); err != nil {
				rt.Fatal(err)
			}
			_ = os.RemoveAll(s.dir)
		}
		if rows[0] != rows[1] {
			rt.Fatal(cmp.Diff(rows[0], rows[1]))
		}
	})
}

// taken moves what was told of a call's end into the log of another node, which has
// claimed it.
func (w *world) taken(id events.CallID, answeredUS int64) (survivor []events.Recorded) {
	own := w.log
	w.log, w.logAt = nil, 0
	for _, r := range own {
		if r.Event.GetLegEnded() == nil {
			w.observed(r.TimeUS, r.Event)
			continue
		}
		n := uint64(len(survivor) + 1)
		survivor = append(survivor, events.Recorded{Journal: "log.calls.n2", Sequence: n, Position: n, TimeUS: r.TimeUS, Event: r.Event})
	}
	charge := w.book[len(w.book)-1]
	w.book, w.bookAt = w.book[:len(w.book)-1], w.bookAt-1
	w.decided(answeredUS+1_000_000, &wire.Event{Body: &wire.Event_HoldClaimed{HoldClaimed: &wire.HoldClaimed{
		Call: id[:], FromNode: "n1", ToNode: "n2"}}})
	w.decided(charge.TimeUS, charge.Event)
	return survivor
}
