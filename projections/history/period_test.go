package history

import (
	"fmt"
	"testing"

	"github.com/tollbook/tollbook/events/wire"
)

// balance sums up what the world has posted on an account.
func (w *world) balance(account string) (sum int64) {
	for _, r := range w.book {
		for _, postings := range [][]*wire.Posting{
			r.Event.GetCallCharged().GetPostings(), r.Event.GetMoneyPosted().GetPostings(), r.Event.GetOfflineWrittenUp().GetPostings(),
		} {
			for _, p := range postings {
				if p.Account == account {
					sum += p.AmountMicro
				}
			}
		}
	}
	return sum
}

func (w *world) closePeriod(account string, toUS int64) {
	w.decided(toUS, &wire.Event{Body: &wire.Event_PeriodClosed{PeriodClosed: &wire.PeriodClosed{
		Account: account, Currency: "USD", ToUs: toUS, BalanceMicro: w.balance(account), StateHash: []byte{7}, Through: w.bookAt,
	}}})
}

// offline writes up a call that node n2 let through, ended or going on.
func (w *world) offline(us int64, account int, running bool) *wire.OfflineWrittenUp {
	id := w.newID(us)
	payer := fmt.Sprintf("acc-%d", account)
	o := &wire.OfflineCall{
		Number: w.serial, Call: id[:], Payer: payer, Sell: w.terms(account, 9000), Originator: "orig", Running: running, EgressLeg: 1,
		Candidate: &wire.Candidate{Terminator: "term-1", VendorAccount: "vterm-1", Buy: w.terms(account, 5000)}, AnsweredAtUs: us, EndedAtUs: us + 1, RawMs: 61000,
	}
	u := &wire.OfflineWrittenUp{Node: "n2", Call: o, Booked: !running}
	if running {
		u.Hold = &wire.HoldPlaced{Call: o.Call, Node: "n2", Lines: []*wire.HoldLine{{Payer: payer, Sell: o.Sell, AmountMicro: 9000}}, Route: []*wire.Candidate{o.Candidate}}
	} else {
		c := w.charged(o.Call, us, us+1, plan{account: account, attempts: 1, talkMS: 61000}).GetCallCharged()
		u.Lines, u.Postings = c.Lines, c.Postings
	}
	w.decided(us, &wire.Event{Body: &wire.Event_OfflineWrittenUp{OfflineWrittenUp: u}})
	return u
}

func TestPeriodsAddUp(t *testing.T) {
	s, w := openTest(t, t.TempDir(), Options{}), newWorld()
	w.credit("acc-1", 50_000, noonUS)
	w.call(answeredPlan(noonUS, 1))
	w.closePeriod("acc-1", noonUS+hourUS)
	late := w.charged(w.offline(noonUS, 1, true).Call.Call, noonUS, noonUS+1, answeredPlan(noonUS, 1))
	late.GetCallCharged().Postings[0].Late = true
	w.decided(noonUS+2*hourUS, late)
	w.credit("acc-1", 7, noonUS+2*hourUS)
	w.credit("acc-2", 7, noonUS+2*hourUS)
	apply(t, s, append(w.book, w.log...))
	// The store is opened again between two periods.
	half := len(w.book)
	w.closePeriod("acc-1", noonUS+2*hourUS)
	apply(t, s, w.book[half:])
	page, err := s.Periods(t.Context(), "acc-1", Page{})
	if err != nil || len(page.Rows) != 2 {
		t.Fatal(page, err)
	}
	second, first := page.Rows[0], page.Rows[1]
	if first.OpeningMicro != 0 || first.CreditsMicro != 50_000 || first.DebitsMicro != -10_800 || first.ClosingMicro != 39_200 ||
		first.Entries != 2 || first.Late != 0 || first.StateHash != "07" {
		t.Errorf("%+v", first)
	}
	if second.OpeningMicro != 39_200 || second.CreditsMicro != 7 || second.DebitsMicro != -10_800 || second.ClosingMicro != 28_407 ||
		second.Entries != 2 || second.Late != 1 || second.After != 1 || second.AfterMicro != 7 || first.After != 0 {
		t.Errorf("%+v", second)
	}
	older, err := s.Periods(t.Context(), "acc-1", Page{First: 1, After: second.Cursor()})
	if err != nil || len(older.Rows) != 1 || older.Rows[0] != first {
		t.Error(older, err)
	}
	entries, err := s.Entries(t.Context(), "acc-1", EntryFilter{Kind: "charge"}, Page{})
	if err != nil || !entries.Rows[0].Late || entries.Rows[1].Late {
		t.Error(entries, err)
	}
	rows, err := s.CDRs(t.Context(), Filter{Account: "acc-1"}, Page{})
	if err != nil || len(rows.Rows) != 2 {
		t.Fatal(rows, err)
	}
	for _, c := range rows.Rows {
		if c.Late != c.Offline || c.Late != (c.Node == "n2") {
			t.Errorf("%+v", c)
		}
	}
}

func TestOfflineCallsHaveCDRs(t *testing.T) {
	s, w := openTest(t, t.TempDir(), Options{}), newWorld()
	ended := w.offline(noonUS, 1, false)
	w.offline(noonUS, 1, true)
	apply(t, s, w.book)
	rows, err := s.CDRs(t.Context(), Filter{}, Page{})
	if err != nil || len(rows.Rows) != 3 {
		t.Fatal(rows, err)
	}
	for _, c := range rows.Rows {
		wasEnded := string(c.Call[:]) == string(ended.Call.Call)
		if !c.Offline || (c.State == Lost) != wasEnded || (c.State == Pending) == wasEnded || c.Node != "n2" || c.Side == "" {
			t.Errorf("%+v", c)
		}
		if wasEnded && (c.RawMS != 61000 || c.GrossMicro == 0 || c.AnsweredUS != noonUS) {
			t.Errorf("%+v", c)
		}
	}
	entries, err := s.Entries(t.Context(), "acc-1", EntryFilter{}, Page{})
	if err != nil || len(entries.Rows) != 1 || entries.Rows[0].Kind != "offline" || entries.Rows[0].Call.IsZero() {
		t.Error(entries, err)
	}
	uses, err := s.OfflineUses(t.Context(), "acc-1")
	if err != nil || len(uses) != 1 || uses[0].Node != "n2" || uses[0].Calls != 2 || uses[0].AmountMicro != 10_800 || uses[0].Number != 2 {
		t.Error(uses, err)
	}
	call, err := s.Call(t.Context(), rows.Rows[0].Call)
	if err != nil || call.Hold == nil {
		t.Error(call, err)
	}
}
