package offline_test

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/offline"
	"github.com/tollbook/tollbook/events/wire"
)

const noon = 1_783_000_800_000_000

func account(calls uint32, micro int64) *wire.Account {
	return &wire.Account{Id: "a", Currency: "USD", OfflineCalls: calls, OfflineMicro: micro}
}

// to is call n at a price a minute.
func to(n int, perMinute int64) *wire.OfflineCall {
	id := events.CallID{14: byte(n >> 8), 15: byte(n)}
	return &wire.OfflineCall{
		Call: id[:], Payer: "a", PlacedAtUs: noon, SetupMs: 60_000, MaxMs: 600_000, Candidate: &wire.Candidate{},
		Sell: &wire.Terms{Deck: "d", Currency: "USD", PriceFirstNano: perMinute * 1000, PriceNextNano: perMinute * 1000, IntervalFirstS: 1, IntervalNextS: 1, Decimals: 6},
	}
}

func ended(o *wire.OfflineCall, rawMS int64) *wire.OfflineCall {
	e := proto.CloneOf(o)
	e.Running, e.RawMs, e.AnsweredAtUs, e.EndedAtUs = false, rawMS, o.PlacedAtUs, o.PlacedAtUs+rawMS*1000
	return e
}

func TestAllowance(t *testing.T) {
	c, a := offline.New(7), account(2, 90_000)
	let := func(n int) (*wire.OfflineCall, error) {
		o, err := c.Let(a, to(n, 60_000))
		if err != nil {
			return nil, err
		}
		return o, c.Record(o)
	}
	one, err := let(1)
	if err != nil || one.Number != 8 || one.PaidMs != 60_000 || !one.Running {
		t.Fatal(one, err)
	}
	two, err := let(2)
	if err != nil || two.Number != 9 || two.PaidMs != 30_000 {
		t.Fatal(two, err)
	}
	if _, err := let(3); events.CodeOf(err) != events.CodeUnavailable {
		t.Errorf("a third call: %v", err)
	}
	if _, err := c.Longer(a, 8); events.CodeOf(err) != events.CodeUnavailable {
		t.Errorf("more time without money: %v", err)
	}
	if err := c.Record(ended(two, 10_000)); err != nil || c.Used("a") != (offline.Used{Calls: 2, Amount: 70_000}) {
		t.Errorf("%v %+v", err, c.Used("a"))
	}
	longer, err := c.Longer(a, 8)
	if err != nil || longer.PaidMs != 80_000 || c.Record(longer) != nil || c.Left(a) != (offline.Used{}) {
		t.Errorf("%v %v %+v", longer, err, c.Left(a))
	}
	if got := c.Waiting(1); len(got) != 1 || got[0].Number != 8 || got[0].PaidMs != 80_000 {
		t.Errorf("%v", got)
	}
	c.Written(9)
	if _, err := c.Longer(a, 8); events.CodeOf(err) != events.CodeNotFound || c.Left(a) != (offline.Used{Calls: 2, Amount: 90_000}) {
		t.Errorf("%v, left %+v", err, c.Left(a))
	}
	if o, err := let(4); err != nil || o.Number != 10 {
		t.Errorf("the grant is renewed: %v %v", o, err)
	}
}

func TestRefusals(t *testing.T) {
	for name, a := range map[string]*wire.Account{
		"no account": nil, "no calls": account(0, 1_000_000), "no money": account(1, 0), "too little": account(1, 999),
		"disabled": {Id: "a", Disabled: true, OfflineCalls: 1, OfflineMicro: 1_000_000},
	} {
		c := offline.New(0)
		if _, err := c.Let(a, to(1, 60_000)); events.CodeOf(err) != events.CodeUnavailable {
			t.Errorf("%s: %v", name, err)
		}
		free := to(1, 60_000)
		free.Payer = ""
		help := to(1, 60_000)
		help.Emergency = "112"
		for what, call := range map[string]*wire.OfflineCall{"a call that nobody pays for": free, "a call for help": help} {
			o, err := c.Let(a, call)
			if err != nil || o.PaidMs != 60_000 || c.Record(o) != nil || c.Used("a") != (offline.Used{}) {
				t.Errorf("%s: %s: %v %v", name, what, o, err)
			}
			if longer, err := c.Longer(a, o.GetNumber()); err != nil || longer.PaidMs != 120_000 {
				t.Errorf("%s: %s: %v %v", name, what, longer, err)
			}
			c.Written(o.GetNumber())
		}
	}
	c := offline.New(3)
	gap := to(1, 60_000)
	gap.Number, gap.Running, gap.PaidMs = 5, true, 1000
	if err := c.Record(gap); events.CodeOf(err) != events.CodeConflict {
		t.Errorf("a gap: %v", err)
	}
	gap.Number = 3
	if err := c.Record(gap); err != nil || c.Used("a").Calls != 0 {
		t.Errorf("a call that is in the book: %v", err)
	}
}

// TestNeverBeyondTheGrant: whatever is let through, prolonged, ended, written up and
// read again after a crash, what is out never exceeds the grant; and a call that
// the rest of the grant covers is let through.
func TestNeverBeyondTheGrant(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a := account(uint32(rapid.IntRange(0, 5).Draw(rt, "calls")), rapid.Int64Range(0, 300_000).Draw(rt, "money"))
		c := offline.New(0)
		file, written := []*wire.OfflineCall{}, uint64(0)
		put := func(o *wire.OfflineCall) {
			if err := c.Record(o); err != nil {
				rt.Fatal(err)
			}
			file = append(file, o)
		}
		for n := range rapid.IntRange(1, 40).Draw(rt, "length") {
			waiting := c.Waiting(100)
			switch what := rapid.IntRange(0, 5).Draw(rt, "what"); {
			case what < 2:
				price := rapid.Int64Range(0, 200_000).Draw(rt, "price")
				left := c.Left(a)
				o, err := c.Let(a, to(n, price))
				second := money.Amount((price + 30) / 60) // rounded half up
				if (err == nil) != (left.Calls > 0 && left.Amount >= second) {
					rt.Fatalf("%d a minute with %+v left: %v", price, left, err)
				}
				if err == nil {
					put(o)
				}
			case what == 2 && len(waiting) > 0:
				if o, err := c.Longer(a, rapid.SampledFrom(waiting).Draw(rt, "longer").Number); err == nil {
					put(o)
				}
			case what == 3 && len(waiting) > 0:
				if o := rapid.SampledFrom(waiting).Draw(rt, "ends"); o.Running {
					put(ended(o, rapid.Int64Range(0, o.PaidMs).Draw(rt, "talked")))
				}
			case what == 4 && len(waiting) > 0:
				written = rapid.SampledFrom(waiting).Draw(rt, "written").Number
				c.Written(written)
			case what == 5: // a crash: the file is read again
				c = offline.New(written)
				for _, o := range file {
					if err := c.Record(o); err != nil {
						rt.Fatal(err)
					}
				}
			}
			sum := offline.Used{}
			for _, o := range c.Waiting(100) {
				gross, err := ledger.OfflineGross(o)
				if err != nil {
					rt.Fatal(err)
				}
				sum.Calls++
				sum.Amount += gross
			}
			if used := c.Used("a"); used != sum || used.Calls > a.OfflineCalls || used.Amount > money.Amount(a.OfflineMicro) {
				rt.Fatalf("used %+v, the calls sum to %+v, the grant is %d calls and %d", used, sum, a.OfflineCalls, a.OfflineMicro)
			}
		}
	})
}
