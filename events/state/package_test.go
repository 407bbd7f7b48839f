package state_test

import (
	"testing"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
)

// seconds makes a package of company co.
func seconds(id string) *wire.Account {
	a := account(id, 0)
	a.Currency = "SEC"
	return a
}

// TestPackageMustBeThePayers refuses holds that were routed on other packages.
func TestPackageMustBeThePayers(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(b *book, l *wire.HoldLine)
		want  events.Code
	}{
		{"covered", func(*book, *wire.HoldLine) {}, ""},
		{"another destination", func(_ *book, l *wire.HoldLine) { l.Package = "" }, events.CodeInsufficientFunds},
		{"another package", func(_ *book, l *wire.HoldLine) { l.Package = "other" }, events.CodeInvalid},
		{"an account in money", func(_ *book, l *wire.HoldLine) { l.Package = "a" }, events.CodeInvalid},
		{"no such account", func(_ *book, l *wire.HoldLine) { l.Package = "gone" }, events.CodeStale},
		{"without a package of his own", func(_ *book, l *wire.HoldLine) { l.Payer = "plain" }, events.CodeInvalid},
		{"the package covers other calls by now", func(b *book, _ *wire.HoldLine) {
			p := seconds("pack")
			p.PackagePrefixes = []string{"44"}
			b.put(p)
		}, events.CodeStale},
		{"the payer has another package by now", func(b *book, _ *wire.HoldLine) { b.put(account("a", 0)) }, events.CodeStale},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := account("a", 0)
			a.Package = "pack"
			b := start(t, seconds("pack"), seconds("other"), a, account("plain", 1_000_000))
			b.must(crediting("pack", 60_000_000))
			b.must(crediting("other", 60_000_000))
			cmd := b.placing(1, "a", 60_000)
			cmd.GetPlaceHold().Lines[0].Package = "pack"
			c.spoil(b, cmd.GetPlaceHold().Lines[0])
			if reply, _ := b.do(cmd); code(reply) != c.want {
				t.Errorf("%v, want %q", reply, c.want)
			}
		})
	}
}

// TestPackageIsSpentOnce has many calls of two accounts share a package: the seconds
// that they take are those that there are, and what they could not take costs money.
func TestPackageIsSpentOnce(t *testing.T) {
	one, two := account("one", 0), account("two", 10_000_000)
	one.Package, two.Package = "pack", "pack"
	b := start(t, seconds("pack"), one, two)
	b.must(crediting("pack", 200_000_000))
	place := func(n int, payer string) events.Code {
		cmd := b.placing(n, payer, 60_000)
		cmd.GetPlaceHold().Lines[0].Package = "pack"
		reply, _ := b.do(cmd)
		return code(reply)
	}
	refused := 0
	for n := 1; n <= 8; n += 2 {
		if place(n, "one") == events.CodeInsufficientFunds { // has nothing but the package
			refused++
		}
		if got := place(n+1, "two"); got != "" {
			t.Fatalf("call %d: %s", n+1, got)
		}
	}
	if have := b.st.Ledger.Balance("pack"); have.Held != 200_000_000 || refused != 2 {
		t.Fatalf("%s s held of 200, %d calls refused", have.Held, refused)
	}
	for n := 1; n <= 8; n++ {
		b.do(charging(n, 60_000)) // those that were refused have no hold
	}
	// Six calls of a minute are 360 s: the package paid 200, money the rest.
	if b.posted("pack") != 0 || b.posted("own/revenue/SEC") != 200_000_000 || b.posted("one") != 0 || b.posted("two") != -160_000 {
		t.Errorf("pack has %s, revenue %s, one %s, two %s", b.posted("pack"), b.posted("own/revenue/SEC"), b.posted("one"), b.posted("two"))
	}
}

// TestLinesOfOneCallShareAPackage has two lines of one call take of one package.
func TestLinesOfOneCallShareAPackage(t *testing.T) {
	a := account("a", 0)
	a.Package = "pack"
	b := start(t, seconds("pack"), a)
	b.must(crediting("pack", 90_000_000))
	cmd := b.placing(1, "a", 60_000)
	p := cmd.GetPlaceHold()
	p.Lines = append(p.Lines, &wire.HoldLine{Leg: 1, Payer: "a", Sell: terms("sell", 60_000)})
	for _, l := range p.Lines {
		l.Package = "pack"
	}
	reply := b.must(cmd)
	if got := reply.GetHoldGranted().PaidMs; got != 45_000 {
		t.Errorf("two lines on 90 s of a package talk %d ms, want 45 s", got)
	}
	b.must(crediting("a", 10_000))
	if got := b.must(extending(1, 45_000)).GetHoldGranted().PaidMs; got != 50_000 {
		t.Errorf("with money for ten seconds they talk %d ms in all, want 50 s", got)
	}
	b.must(charging(1, 50_000))
	if b.posted("pack") != 0 || b.posted("a") != 0 {
		t.Errorf("pack has %s, a %s", b.posted("pack"), b.posted("a"))
	}
}

func TestEmergencyHasNoLimits(t *testing.T) {
	b := limitedBook(t)
	b.rates = state.NewRates()
	b.put(&wire.Settings{Id: "settings", EmergencyPrefixes: []string{"53"}})
	n := 0
	call := func(emergency string) events.Code {
		n++
		cmd := b.calling(n, "53", "99") // two channels, and one call a second
		cmd.GetPlaceHold().Emergency = emergency
		reply, _ := b.do(cmd)
		return code(reply)
	}
	for range 5 {
		if got := call("53"); got != "" {
			t.Fatalf("emergency call %d: %s", n, got)
		}
	}
	if got := call(""); got != events.CodeLimit {
		t.Errorf("another call beside them: %q", got)
	}
	cmd := b.calling(99)
	cmd.GetPlaceHold().Emergency, cmd.GetPlaceHold().Lines[0].Package = "53", "a"
	if reply, _ := b.do(cmd); code(reply) != events.CodeInvalid {
		t.Errorf("an emergency call on a package: %v", reply)
	}
}

// TestForecastOfAPackage tells when the package is empty at the pace of its calls.
func TestForecastOfAPackage(t *testing.T) {
	pack, a := seconds("pack"), account("a", 0)
	pack.Alerts, a.Package = &wire.AccountAlerts{ForecastMinutes: 10}, "pack"
	b := start(t, pack, a)
	b.must(crediting("pack", 300_000_000))
	for n := 1; n <= 2; n++ {
		cmd := b.placing(n, "a", 60_000)
		cmd.GetPlaceHold().Lines[0].Package = "pack"
		b.must(cmd)
	}
	got := b.st.Ledger.Paces(b.st.Catalog)
	if len(got) != 1 || got[0].Account != "pack" || got[0].Currency != "SEC" || got[0].Calls != 2 {
		t.Fatalf("%+v", got)
	}
	if minutes, runs := got[0].Minutes(); !runs || minutes != 2 || got[0].Left != 300_000_000 || got[0].Burn != 120_000_000 {
		t.Errorf("two calls on 300 s: %+v", got[0])
	}
}

// TestVendorsCreditIsNotOurs pays a vendor out what he has with us, and no more: what
// he lets us owe is not money of his here.
func TestVendorsCreditIsNotOurs(t *testing.T) {
	v := vendor("v")
	v.CreditLimitMicro = 1_000_000
	b := start(t, v)
	b.must(crediting("v", 100))
	debit := func(micro int64) events.Code {
		reply, _ := b.do(posting(&wire.PostMoney{Kind: wire.PostingKind_POSTING_KIND_DEBIT, Account: "v", AmountMicro: micro}))
		return code(reply)
	}
	if got := debit(101); got != events.CodeInsufficientFunds {
		t.Errorf("more than he has: %q", got)
	}
	if got := debit(100); got != "" || b.posted("v") != 0 {
		t.Errorf("all he has: %q, %s are left", got, b.posted("v"))
	}
}
