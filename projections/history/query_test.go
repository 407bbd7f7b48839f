package history

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// threeDays fills a store with calls around two midnights: 18 answered ones, 6
// refused, 2 free, 1 in progress, 1 that only the book knows.
func threeDays(t testing.TB) (*Store, *world) {
	t.Helper()
	s := openTest(t, t.TempDir(), Options{OpenDays: 1})
	w := newWorld()
	for i := range 24 {
		p := answeredPlan(noonUS+int64(i-12)*3*hourUS, i%3)
		if i%4 == 3 {
			p.answered, p.attempts = false, 2
		}
		w.call(p)
	}
	for i := range 2 {
		w.call(plan{startUS: noonUS + int64(i), account: 2})
	}
	open := answeredPlan(noonUS+hourUS, 0)
	open.unfinished = true
	w.call(open)
	lost := answeredPlan(noonUS+2*hourUS, 1)
	lost.lostLog = true
	w.call(lost)
	apply(t, s, w.log)
	apply(t, s, w.book)
	return s, w
}

// all streams the rows that a filter takes.
func all(t testing.TB, s *Store, filter Filter) []CDR {
	t.Helper()
	var rows []CDR
	err := s.Stream(context.Background(), filter, func(c *CDR) error {
		rows = append(rows, *c)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestFilters(t *testing.T) {
	s, _ := threeDays(t)
	every := all(t, s, Filter{})
	if !slices.IsSortedFunc(every, func(a, b CDR) int {
		return -bytes.Compare(append(a.Call[:], byte(a.Leg)), append(b.Call[:], byte(b.Leg)))
	}) {
		t.Error("not newest first")
	}
	yes, no := true, false
	from, to := noonUS-2*hourUS, noonUS+4*hourUS
	tests := map[string]struct {
		filter Filter
		want   func(*CDR) bool
	}{
		"time":       {Filter{FromUS: from, ToUS: to}, func(c *CDR) bool { return c.SetupUS >= from && c.SetupUS < to }},
		"account":    {Filter{Account: "acc-1"}, func(c *CDR) bool { return c.Leg == 0 && c.CustomerAccount == "acc-1" }},
		"vendor":     {Filter{Account: "vterm-1"}, func(c *CDR) bool { return c.VendorAccount == "vterm-1" }},
		"originator": {Filter{Originator: "orig-2"}, func(c *CDR) bool { return c.Originator == "orig-2" }},
		"terminator": {Filter{Terminator: "term-0"}, func(c *CDR) bool { return c.Terminator == "term-0" }},
		"caller":     {Filter{Caller: "44200000"}, func(c *CDR) bool { return strings.HasPrefix(c.Caller, "44200000") }},
		"called":     {Filter{Called: "0049"}, func(c *CDR) bool { return strings.HasPrefix(c.Called, "0049") }},
		"number":     {Filter{Called: "49300000007"}, func(c *CDR) bool { return c.Called == "49300000007" }},
		"answered":   {Filter{Answered: &yes}, func(c *CDR) bool { return c.Answered }},
		"unanswered": {Filter{Answered: &no, Direction: Egress}, func(c *CDR) bool { return !c.Answered && c.Leg > 0 }},
		"pending":    {Filter{State: Pending}, func(c *CDR) bool { return c.State == Pending }},
		"lost":       {Filter{State: Lost}, func(c *CDR) bool { return c.State == Lost }},
		"ingress":    {Filter{Direction: Ingress}, func(c *CDR) bool { return c.Leg == 0 }},
		"code":       {Filter{SIPCode: 503}, func(c *CDR) bool { return c.SIPCode == 503 }},
		"prefix":     {Filter{Prefix: "441"}, func(c *CDR) bool { return c.Prefix == "441" }},
		"call":       {Filter{Call: every[3].Call}, func(c *CDR) bool { return c.Call == every[3].Call }},
		"injection":  {Filter{Account: "' OR 1=1 --"}, func(*CDR) bool { return false }},
	}
	for name, test := range tests {
		want := slices.DeleteFunc(slices.Clone(every), func(c CDR) bool { return !test.want(&c) })
		if len(want) == 0 && name != "injection" {
			t.Errorf("%s: the test takes nothing", name)
		}
		if got := all(t, s, test.filter); !slices.Equal(want, got) {
			t.Errorf("%s: %s", name, cmp.Diff(want, got))
		}
	}
	for _, bad := range []Filter{{State: "odd"}, {Direction: "up"}} {
		if _, err := s.CDRs(context.Background(), bad, Page{}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestPagesBothWays(t *testing.T) {
	s, _ := threeDays(t)
	ctx := context.Background()
	every := all(t, s, Filter{})
	for _, size := range []int{1, 3, 7, 500} {
		var down, up []CDR
		page := Page{First: size}
		for {
			got, err := s.CDRs(ctx, Filter{}, page)
			if err != nil {
				t.Fatal(err)
			}
			down = append(down, got.Rows...)
			if !got.HasNext {
				break
			}
			page.After = got.End
		}
		page = Page{Last: size}
		for {
			got, err := s.CDRs(ctx, Filter{}, page)
			if err != nil {
				t.Fatal(err)
			}
			up = append(slices.Clone(got.Rows), up...)
			if !got.HasPrevious {
				break
			}
			page.Before = got.Start
		}
		if !slices.Equal(down, every) || !slices.Equal(up, every) {
			t.Errorf("pages of %d: %d down, %d up, %d in all", size, len(down), len(up), len(every))
		}
	}
	for _, bad := range []Page{{First: 501}, {First: -1}, {First: 1, Last: 1}, {After: "x"}, {After: pairCursor('e', 1, 1)}} {
		if _, err := s.CDRs(ctx, Filter{}, bad); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// TestPagesAreStableUnderInserts pages while calls arrive everywhere: each row
// that was there at the start is seen exactly once.
func TestPagesAreStableUnderInserts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w, s := newWorld(), openRapid(rt, t, Options{OpenDays: 2})
		add := func() {
			us := noonUS + rapid.Int64Range(-20, 20).Draw(rt, "hour")*hourUS
			w.call(answeredPlan(us, rapid.IntRange(0, 2).Draw(rt, "account")))
			if err := s.Apply(context.Background(), append(w.book, w.log...), nil); err != nil {
				rt.Fatal(err)
			}
			w.book, w.log = nil, nil
		}
		for range 4 {
			add()
		}
		filter := Filter{Account: rapid.SampledFrom([]string{"", "acc-0", "vterm-1"}).Draw(rt, "filter")}
		want := all(t, s, filter)
		seen := make(map[string]int)
		page := Page{First: rapid.IntRange(1, 3).Draw(rt, "size")}
		for more := true; more; {
			got, err := s.CDRs(context.Background(), filter, page)
			if err != nil {
				rt.Fatal(err)
			}
			for i := range got.Rows {
				seen[got.Rows[i].Cursor()]++
			}
			page.After, more = got.End, got.HasNext
			add()
		}
		for i := range want {
			if seen[want[i].Cursor()] != 1 {
				rt.Fatalf("row %s/%d was seen %d times", want[i].Call, want[i].Leg, seen[want[i].Cursor()])
			}
		}
		if err := s.Close(); err != nil {
			rt.Fatal(err)
		}
	})
}

func TestPartnersSeeTheirOwn(t *testing.T) {
	s, _ := threeDays(t)
	for _, company := range []string{"co-1", "vc-term-1"} {
		rows := all(t, s, Filter{Partner: company})
		if len(rows) == 0 {
			t.Fatalf("%s sees nothing", company)
		}
		for _, row := range rows {
			customer := company == "co-1"
			if customer != (row.Leg == 0) || row.MarginCurrency != "" || row.CostMicro != 0 ||
				customer && row.VendorCompany != "" || !customer && row.Originator+row.CustomerCompany != "" {
				t.Errorf("%s sees %+v", company, row)
			}
		}
	}
	if rows := all(t, s, Filter{Partner: "vc-term-1", Originator: "orig-1"}); len(rows) != 0 {
		t.Errorf("a vendor found %d calls by their originator", len(rows))
	}
	ctx := context.Background()
	report, err := s.Report(ctx, ReportQuery{Partner: "co-1", GroupBy: []Group{ByDay}})
	if err != nil || len(report) == 0 {
		t.Fatalf("report: %v, %v", report, err)
	}
	for _, r := range report {
		if r.MarginMicro != 0 || r.BuyMicro != 0 || r.Attempts == 0 {
			t.Errorf("report: %+v", r)
		}
	}
	_, err = s.Report(ctx, ReportQuery{Partner: "co-1", GroupBy: []Group{ByTerminator}})
	if !errors.Is(err, ErrInvalid) {
		t.Errorf("a customer's report by terminator: %v", err)
	}
	call, err := s.Call(ctx, all(t, s, Filter{Partner: "co-1", Answered: new(true)})[0].Call)
	if err != nil {
		t.Fatal(err)
	}
	own, ok := call.ForPartner("co-1")
	if !ok || len(own.Legs) != 1 || len(own.Lines) > 1 || own.Hold != nil || own.Events != nil {
		t.Errorf("own call: %+v", own)
	}
	if _, ok := call.ForPartner("co-2"); ok {
		t.Error("another company sees the call")
	}
}

func TestCSVHasTheColumnsOfTheTable(t *testing.T) {
	s, _ := threeDays(t)
	var b bytes.Buffer
	if err := s.WriteCSV(context.Background(), &b, Filter{}); err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Columns(), records[0]); diff != "" {
		t.Error(diff)
	}
	if want := len(all(t, s, Filter{})); len(records) != want+1 {
		t.Errorf("%d records for %d rows", len(records)-1, want)
	}
	for text, want := range map[string]string{"=1+1": "'=1+1", "+4420": "+4420", "-5": "-5", "+1+1": "'+1+1", "@x": "'@x", "": ""} {
		if got := Cell(text); got != want {
			t.Errorf("Cell(%q) = %q", text, got)
		}
	}
}

func TestPendingSaysWhatIsMissing(t *testing.T) {
	s, _ := threeDays(t)
	got, err := s.Pending(context.Background(), noonUS+48*hourUS)
	if err != nil || len(got) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	p := got[0]
	if p.Node != "n1" || !p.Held || p.Closed || p.AnsweredUS == 0 || fmt.Sprint(p.OpenLegs) != "[0 1]" {
		t.Errorf("%+v", p)
	}
	if got, err := s.Pending(context.Background(), noonUS); err != nil || len(got) != 0 {
		t.Errorf("before noon: %+v, %v", got, err)
	}
}

func TestLostCallsAreSeen(t *testing.T) {
	s, _ := threeDays(t)
	rows := all(t, s, Filter{State: Lost})
	if len(rows) != 2 {
		t.Fatalf("%d lost rows", len(rows))
	}
	out, in := rows[0], rows[1]
	if in.CustomerAccount != "acc-1" || in.Originator != "orig-1" || in.GrossMicro != 10800 || in.RawMS != 61000 {
		t.Errorf("ingress: %+v", in)
	}
	if out.Terminator != "term-1" || out.NetMicro != 5000 || !out.Answered || out.Node != "n1" {
		t.Errorf("egress: %+v", out)
	}
}
