package sinks

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tollbook/tollbook/projections/history"
	"github.com/tollbook/tollbook/projections/sample"
)

// store is what both engines answer.
type store interface {
	CDRs(context.Context, history.Filter, history.Page) (history.CDRPage, error)
	Report(context.Context, history.ReportQuery) ([]history.ReportRow, error)
}

// TestBothEnginesAnswerAlike asks the embedded store and ClickHouse the same questions.
func TestBothEnginesAnswerAlike(t *testing.T) {
	b := newBench(t)
	b.calls.Accounts = 5
	b.happen(120)
	b.becomes() // there are rows that were taken back
	b.sync()
	var engines = []store{b.history, b.sink}
	for i, filter := range filters(t, b) {
		t.Run(fmt.Sprint("filter ", i), func(t *testing.T) { b.alikePages(t, engines, filter) })
	}
	yes := history.Filter{State: "odd"}
	for _, e := range engines {
		if _, err := e.CDRs(t.Context(), yes, history.Page{}); !errors.Is(err, history.ErrInvalid) {
			t.Error(err)
		}
	}
	for i, q := range []history.ReportQuery{
		{}, {GroupBy: []history.Group{history.ByDay, history.ByDestination}, Account: sample.Account(0)},
		{GroupBy: []history.Group{history.ByHour, history.ByTerminator}, Direction: history.Egress, FromUS: noonUS + 7*hourUS},
		{GroupBy: []history.Group{history.ByPrefix}, Partner: "co-" + sample.Account(1), ToUS: noonUS + 9*hourUS},
	} {
		want, err := b.history.Report(t.Context(), q)
		if err != nil || len(want) == 0 {
			t.Fatal(i, len(want), err)
		}
		got, err := b.sink.Report(t.Context(), q)
		if err != nil {
			t.Fatal(i, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(i, diff)
		}
	}
}

func filters(t *testing.T, b *bench) []history.Filter {
	t.Helper()
	page, err := b.history.CDRs(t.Context(), history.Filter{}, history.Page{First: 7})
	if err != nil {
		t.Fatal(err)
	}
	call, yes := page.Rows[6].Call, true
	return []history.Filter{
		{}, {Account: sample.Account(0)}, {Company: "co-" + sample.Account(1)}, {Partner: "co-" + sample.Account(0)}, {Partner: "co-term-3"},
		{Originator: "o-" + sample.Account(2)}, {Terminator: "term-4"}, {Called: "4400"}, {Called: page.Rows[6].Called}, {Caller: "4420"},
		{Answered: &yes}, {State: history.Final}, {State: history.Lost}, {Direction: history.Egress}, {SIPCode: 486}, {Prefix: "44003"}, {Call: call},
		{FromUS: noonUS + 3*hourUS, ToUS: noonUS + 5*hourUS}, {Account: "o'clock\\"},
	}
}

// alikePages walks forth and back through all pages of a filter.
func (b *bench) alikePages(t *testing.T, engines []store, filter history.Filter) {
	t.Helper()
	page := history.Page{First: 90}
	for range 5 {
		want, err := engines[0].CDRs(t.Context(), filter, page)
		if err != nil {
			t.Fatal(err)
		}
		got, err := engines[1].CDRs(t.Context(), filter, page)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.Rows, got.Rows, equate()); diff != "" || want.PageInfo != got.PageInfo {
			t.Fatalf("%+v: %+v %+v %s", page, want.PageInfo, got.PageInfo, diff)
		}
		switch {
		case page.First > 0 && want.HasNext:
			page.After = want.End
		case want.Start != "":
			page = history.Page{Last: 20, Before: want.Start}
		default:
			return
		}
	}
}

// equate takes no rows for no rows, however they are written.
func equate() cmp.Option {
	return cmp.FilterValues(func(a, b []history.CDR) bool { return len(a)+len(b) == 0 }, cmp.Ignore())
}
