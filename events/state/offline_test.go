package state_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// wentOffline is offline call number n: it ran for a while, at 0.06 a minute.
func wentOffline(n int, payer string, rawMS int64) *wire.OfflineCall {
	return &wire.OfflineCall{
		Number: uint64(n), Call: callID(500 + n), Payer: payer, Sell: terms("sell", 60_000),
		Candidate:  &wire.Candidate{VendorAccount: "vendor", Buy: terms("buy", 30_000)},
		PlacedAtUs: noon - 3_600_000_000, SetupMs: 120_000, MaxMs: 7_200_000, PaidMs: 60_000,
		EgressLeg: 1, AnsweredAtUs: noon - 3_600_000_000, EndedAtUs: noon - 3_600_000_000 + rawMS*1000, RawMs: rawMS, SipCode: 200,
	}
}

func goesOn(n int, payer string) *wire.OfflineCall {
	o := wentOffline(n, payer, 0)
	o.Running, o.EndedAtUs, o.SipCode = true, 0, 0
	return o
}

func writingUp(calls ...*wire.OfflineCall) *wire.Command {
	return &wire.Command{Body: &wire.Command_WriteUpOffline{WriteUpOffline: &wire.WriteUpOffline{Calls: calls}}}
}

func TestOfflineCallsAreForcedDebits(t *testing.T) {
	b := start(t, account("a", 0))
	b.must(crediting("a", 40_000))
	cmd := writingUp(wentOffline(1, "a", 30_000), wentOffline(2, "a", 60_000))
	reply, evs := b.do(cmd)
	if reply.GetWrittenUp().GetThrough() != 2 || reply.Repeated || len(evs) != 2 {
		t.Fatalf("%v %v", reply, evs)
	}
	if got := evs[0].GetOfflineWrittenUp(); !got.Booked || len(got.Lines) != 2 || got.Lines[0].GrossMicro != 30_000 || got.Lines[1].GrossMicro != 15_000 {
		t.Errorf("%v", got)
	}
	if b.posted("a") != -50_000 || b.posted("vendor") != 45_000 {
		t.Errorf("a has %s, the vendor %s", b.posted("a"), b.posted("vendor"))
	}
	again, evs := b.do(cmd) // the same numbers, after a restart
	if !again.Repeated || len(evs) != 0 || again.GetWrittenUp().GetThrough() != 2 || b.st.Ledger.OfflineThrough("n1") != 2 {
		t.Errorf("%v %v", again, evs)
	}
	b.st = restored(t, b.st)
	if reply, _ := b.do(b.placing(1, "a", 1)); code(reply) != events.CodeInsufficientFunds {
		t.Errorf("a deficit stops holds: %v", reply)
	}
	// The numbers 2 and 3: only 3 is new.
	reply, evs = b.do(writingUp(wentOffline(2, "a", 60_000), wentOffline(3, "a", 1000)))
	if reply.Repeated || len(evs) != 1 || reply.GetWrittenUp().Through != 3 || b.posted("a") != -51_000 {
		t.Errorf("%v %v, a has %s", reply, evs, b.posted("a"))
	}
	if err := b.audit.Finish(); err != nil || b.audit.Offline != 3 {
		t.Errorf("%v, %d checked", err, b.audit.Offline)
	}
}

func TestOfflineCallsThatGoOnBecomeHolds(t *testing.T) {
	b := start(t, account("a", 0))
	b.must(crediting("a", 100_000))
	b.must(writingUp(goesOn(1, "a")))
	if a := b.st.Ledger.Balance("a"); a.Calls != 1 || a.Held != 60_000 || a.Posted != 100_000 {
		t.Errorf("%+v", a)
	}
	b.st = restored(t, b.st)
	if reply, evs := b.do(writingUp(goesOn(1, "a"))); !reply.Repeated || len(evs) != 0 {
		t.Errorf("%v", evs)
	}
	// From here on it is a call like any other: as long as money lasts.
	if got := b.must(extending(501, 60_000)).GetHoldGranted(); got.PaidMs != 100_000 {
		t.Errorf("%v", got)
	}
	end := charging(501, 90_000)
	end.GetChargeCall().Attempts = 1
	if got := b.must(end).GetCharged(); got.GrossMicro != 90_000 || got.OverrunMicro != 0 {
		t.Errorf("%v", got)
	}
	// The node that did not hear of its hold tells the same end, then another one.
	same := wentOffline(1, "a", 90_000)
	same.AnsweredAtUs, same.EndedAtUs = noon, noon+90_000_000
	if _, evs := b.do(writingUp(same)); len(evs) != 0 {
		t.Errorf("the same end: %v", evs)
	}
	same.RawMs++
	if _, evs := b.do(writingUp(same)); len(evs) != 1 || evs[0].GetChargeContested() == nil {
		t.Errorf("another end: %v", evs)
	}
	if b.posted("a") != 10_000 {
		t.Errorf("a has %s", b.posted("a"))
	}
}

// TestOfflineCallsThatTheBookKnew: the book had let the call through, but its
// answer was lost.
func TestOfflineCallsThatTheBookKnew(t *testing.T) {
	b := start(t, account("a", 0))
	b.must(crediting("a", 200_000))
	b.must(b.placing(501, "a", 60_000))
	b.must(b.placing(502, "a", 60_000))
	b.must(b.placing(503, "a", 60_000))
	b.must(claiming(503, "n2"))
	b.must(b.placing(504, "a", 1000))
	b.must(releasing(504))
	_, evs := b.do(writingUp(wentOffline(1, "a", 30_000), goesOn(2, "a"), wentOffline(3, "a", 30_000), wentOffline(4, "a", 30_000)))
	if len(evs) != 6 || evs[3].GetChargeContested() == nil || evs[5].GetChargeContested() == nil {
		t.Fatalf("%v", evs)
	}
	a := b.st.Ledger.Balance("a")
	if a.Posted != 170_000 || a.Calls != 2 || a.Held != 120_000 || b.st.Ledger.OfflineThrough("n1") != 4 {
		t.Errorf("%+v", a)
	}
	if _, evs := b.do(writingUp(wentOffline(3, "a", 30_000), wentOffline(4, "a", 30_000))); len(evs) != 0 {
		t.Errorf("a repeat: %v", evs)
	}
}

// The book forgets a closed call with the first event a day later. Once the second
// call of a write-up was decided before that, and verified behind it.
func TestOfflineCallsThatTheBookForgot(t *testing.T) {
	b := start(t, account("a", 0))
	b.must(crediting("a", 200_000))
	b.must(b.placing(502, "a", 60_000))
	b.must(charging(502, 1000))
	b.now += 24 * 3_600_000_000
	_, evs := b.do(writingUp(wentOffline(1, "a", 1000), wentOffline(2, "a", 2000)))
	if len(evs) != 2 || !evs[1].GetOfflineWrittenUp().Booked || b.posted("a") != 196_000 {
		t.Errorf("%v, a has %s", evs, b.posted("a"))
	}
}

func TestOfflineWriteUpRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(o *wire.OfflineCall)
		want  events.Code
		path  string
	}{
		{"nothing", func(*wire.OfflineCall) {}, "", ""},
		{"nobody pays", func(o *wire.OfflineCall) { o.Payer, o.Sell = "", nil }, "", ""},
		{"a gap", func(o *wire.OfflineCall) { o.Number = 3 }, events.CodeConflict, "calls.0.number"},
		{"no number", func(o *wire.OfflineCall) { o.Number = 0 }, events.CodeConflict, "calls.0.number"},
		{"no call", func(o *wire.OfflineCall) { o.Call = o.Call[:3] }, events.CodeInvalid, "calls.0"},
		{"nobody's account", func(o *wire.OfflineCall) { o.Payer = "who" }, events.CodeNotFound, "calls.0.payer"},
		{"another currency", func(o *wire.OfflineCall) { o.Sell.Currency = "EUR" }, events.CodeInvalid, "calls.0.sell"},
		{"no terms", func(o *wire.OfflineCall) { o.Sell = &wire.Terms{Currency: "USD"} }, events.CodeInvalid, "calls.0"},
		{"no vendor", func(o *wire.OfflineCall) { o.Candidate = nil }, events.CodeInvalid, "calls.0.candidate"},
		{"nobody's vendor", func(o *wire.OfflineCall) { o.Candidate.VendorAccount = "who" }, events.CodeNotFound, "calls.0.candidate"},
		{"too many vendors", func(o *wire.OfflineCall) { o.Tried = make([]*wire.Candidate, 8) }, events.CodeInvalid, "calls.0.candidate"},
		{"tomorrow", func(o *wire.OfflineCall) { o.PlacedAtUs = noon + 1 }, events.CodeInvalid, "calls.0.placedAtUs"},
		{"no time", func(o *wire.OfflineCall) { o.PaidMs = 0 }, events.CodeInvalid, "calls.0.paidMs"},
		{"all time", func(o *wire.OfflineCall) { o.MaxMs = 1 << 50 }, events.CodeInvalid, "calls.0.maxMs"},
		{"ended and goes on", func(o *wire.OfflineCall) { o.Running = true }, events.CodeInvalid, "calls.0.running"},
		{"talked to nobody", func(o *wire.OfflineCall) { o.Unanswered = true }, events.CodeInvalid, "calls.0.unanswered"},
		{"negative time", func(o *wire.OfflineCall) { o.RawMs = -1 }, events.CodeInvalid, ""},
		{"bytes", func(o *wire.OfflineCall) { o.Sell.Destination = strings.Repeat("x", 129<<10) }, events.CodeInvalid, "calls"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := start(t, account("a", 0))
			o := wentOffline(1, "a", 30_000)
			c.spoil(o)
			reply, _ := b.do(writingUp(o))
			if code(reply) != c.want || c.path != "" && !strings.HasPrefix(reply.Error.Path, c.path) {
				t.Errorf("%v, want %q at %q", reply, c.want, c.path)
			}
			if c.want != "" && b.st.Ledger.OfflineThrough("n1") != 0 {
				t.Error("it was written up")
			}
		})
	}
	b := start(t, account("a", 0))
	twice := wentOffline(2, "a", 1)
	twice.Call = callID(501)
	for name, cmd := range map[string]*wire.Command{
		"nothing": writingUp(), "a gap inside": writingUp(wentOffline(1, "a", 1), wentOffline(3, "a", 1)),
		"a call twice": writingUp(wentOffline(1, "a", 1), twice), "too many": writingUp(make([]*wire.OfflineCall, 65)...),
	} {
		if reply, _ := b.do(cmd); code(reply) != events.CodeInvalid {
			t.Errorf("%s: %v", name, reply)
		}
	}
}

// TestAuditorRefusesOfflineCalls changes a write-up in all that it says of money.
func TestAuditorRefusesOfflineCalls(t *testing.T) {
	for name, spoil := range map[string]func(u *wire.OfflineWrittenUp){
		"dearer":       func(u *wire.OfflineWrittenUp) { u.Postings[0].AmountMicro--; u.Postings[1].AmountMicro++ },
		"longer":       func(u *wire.OfflineWrittenUp) { u.Call.RawMs += 1000 },
		"not booked":   func(u *wire.OfflineWrittenUp) { u.Booked, u.Postings, u.Lines = false, nil, nil },
		"number again": func(u *wire.OfflineWrittenUp) { u.Call.Number = 7 },
		"a late mark":  func(u *wire.OfflineWrittenUp) { u.Postings[0].Late = true },
	} {
		b := start(t, account("a", 0))
		evs, _ := b.st.Decide(b.now, nil, b.command(writingUp(wentOffline(1, "a", 30_000))))
		e := proto.CloneOf(evs[0])
		spoil(e.GetOfflineWrittenUp())
		if err := b.audit.Check(b.now, e); err == nil {
			t.Errorf("%s: nothing was found", name)
		}
	}
}
