package history

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

func TestAnsweredCallIsTwoFinalRows(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	w := newWorld()
	id := w.call(answeredPlan(noonUS, 1))
	apply(t, s, w.log)
	ctx := context.Background()
	row, err := s.CDR(ctx, id, 0)
	if err != nil || row.State != Pending {
		t.Fatalf("without its charge: %q, %v", row.State, err)
	}
	apply(t, s, w.book)
	call, err := s.Call(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if len(call.Legs) != 2 || len(call.Lines) != 2 || call.Hold == nil || len(call.Events) != 10 {
		t.Fatalf("call: %+v", call)
	}
	in, out := call.Legs[0], call.Legs[1]
	if in.State != Final || in.Side != "sell" || in.GrossMicro != 10800 || in.MarginMicro != 4000 ||
		in.PDDUS != 900000 || !in.Answered || in.SIPCode != 200 || in.EndedBy != "caller" {
		t.Errorf("ingress: %+v", in)
	}
	if out.State != Final || out.Side != "buy" || out.NetMicro != 5000 || out.Terminator != "term-1" ||
		out.Originator != "orig-1" || out.MOSCenti != 438 {
		t.Errorf("egress: %+v", out)
	}
	totals, err := s.Totals(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if totals.Attempts != 1 || totals.Answered != 1 || totals.CDRs != 2 || totals.Legs != 1 ||
		totals.Charged["USD"] != 10800 || totals.Cost["USD"] != 5000 || totals.Margin["USD"] != 4000 ||
		totals.LedgerEntries != 5 || totals.Pending != 0 {
		t.Errorf("totals: %+v", totals)
	}
	report, err := s.Report(ctx, ReportQuery{GroupBy: []Group{ByAccount, ByTerminator}})
	if err != nil || len(report) != 1 {
		t.Fatalf("report: %+v, %v", report, err)
	}
	if r := report[0]; r.Account != "acc-1" || r.Terminator != "term-1" || r.Attempts != 1 ||
		r.ASRMilli() != 1000 || r.ACDMS() != 61000 || r.MarginMicro != 4000 {
		t.Errorf("report: %+v", r)
	}
	page, err := s.Entries(ctx, "acc-1", EntryFilter{}, Page{})
	if err != nil || len(page.Rows) != 1 || page.Rows[0].BalanceAfterMicro != -10800 || page.Rows[0].Call != id {
		t.Errorf("entries: %+v, %v", page, err)
	}
}

func TestUnknownRowsAreNotFound(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	ctx := context.Background()
	_, errCDR := s.CDR(ctx, newWorld().newID(noonUS), 0)
	_, errCall := s.Call(ctx, newWorld().newID(noonUS))
	_, errEntry := s.Entry(ctx, 1, 0)
	for _, err := range []error{errCDR, errCall, errEntry} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("got %v", err)
		}
	}
}

// TestFailedBatchIsForgotten applies a batch of which a part cannot be written, and
// then what is sound of it: the balances that the first try came to are not kept.
func TestFailedBatchIsForgotten(t *testing.T) {
	w := newWorld()
	w.call(answeredPlan(noonUS, 0))
	s, plain := openTest(t, t.TempDir(), Options{}), openTest(t, t.TempDir(), Options{})
	apply(t, s, w.book)
	apply(t, plain, w.book)
	w.book = nil
	w.call(answeredPlan(noonUS+hourUS, 0))
	sound := slices.Concat(w.book, w.log)
	wrong := events.Recorded{Journal: "log.calls.n1", Sequence: 99, Position: 99, TimeUS: noonUS, Event: &wire.Event{
		Actor: "\xff", Body: &wire.Event_LegRinging{LegRinging: &wire.LegRinging{Call: make([]byte, 16)}}}}
	if err := s.Apply(t.Context(), append(slices.Clone(sound), wrong), nil); err == nil {
		t.Fatal("an event that cannot be written was applied")
	}
	apply(t, s, sound)
	apply(t, plain, sound)
	if diff := cmp.Diff(dump(t, plain), dump(t, s)); diff != "" {
		t.Errorf("(-plain +after the failure):\n%s", diff)
	}
}
