package state_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
)

var update = flag.Bool("update", false, "rewrite the scripts in testdata with what the code says")

// TestScripts runs the scripts in testdata. Each line is a command; what the book
// answered and wrote down stands indented below it. An amount is in units, a
// duration in Go's form, and a comment begins with #.
func TestScripts(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			s := &script{book: newBook(t), t: t, decks: map[string]*wire.Terms{}, calls: map[string]int{}, bands: map[string]func() *wire.Terms{}}
			s.rates = state.NewRates()
			s.put(&wire.Company{Id: "co"})
			for line := range strings.Lines(string(want)) {
				if !strings.HasPrefix(line, "  ") {
					s.run(strings.TrimRight(line, "\n"))
				}
			}
			if err := s.audit.Finish(); err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(name, []byte(s.out.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(want), s.out.String()); diff != "" {
				t.Errorf("%s (run with -update to accept):\n%s", name, diff)
			}
		})
	}
}

type script struct {
	*book
	t     *testing.T
	out   strings.Builder
	decks map[string]*wire.Terms
	calls map[string]int
	bands map[string]func() *wire.Terms // decks whose price depends on the hour
}

func (s *script) say(format string, args ...any) { fmt.Fprintf(&s.out, "    "+format+"\n", args...) }

func (s *script) run(line string) {
	s.out.WriteString(line + "\n")
	words := strings.Fields(line)
	if len(words) == 0 || strings.HasPrefix(words[0], "#") {
		return
	}
	arg := func(i int) string {
		if i >= len(words) {
			s.t.Fatalf("%q: word %d is missing", line, i)
		}
		return words[i]
	}
	switch words[0] {
	case "account":
		s.account(words)
	case "deck":
		s.deck(words)
	case "close":
		s.show(&wire.Command{Body: &wire.Command_ClosePeriod{ClosePeriod: &wire.ClosePeriod{Account: arg(1), ToUs: s.now - s.duration(arg(2)).Microseconds()}}})
	case "mutual":
		s.mutual(arg(1), arg(2))
	case "alert":
		s.alert(words)
	case "wait":
		s.now += s.duration(arg(1)).Microseconds()
	case "restart":
		s.st = restored(s.t, s.st)
		s.say("position %d", s.st.Position)
	case "credit", "debit", "force", "creditnote", "debitnote", "adjust":
		kind := map[string]wire.PostingKind{
			"credit": wire.PostingKind_POSTING_KIND_CREDIT, "debit": wire.PostingKind_POSTING_KIND_DEBIT,
			"force": wire.PostingKind_POSTING_KIND_FORCED_DEBIT, "creditnote": wire.PostingKind_POSTING_KIND_CREDIT_NOTE,
			"debitnote": wire.PostingKind_POSTING_KIND_DEBIT_NOTE, "adjust": wire.PostingKind_POSTING_KIND_ADJUSTMENT,
		}[words[0]]
		s.show(posting(&wire.PostMoney{Kind: kind, Account: arg(1), AmountMicro: s.amount(arg(2))}))
	case "transfer":
		s.show(posting(&wire.PostMoney{
			Kind: wire.PostingKind_POSTING_KIND_TRANSFER, Account: arg(1), ToAccount: arg(2), AmountMicro: s.amount(arg(3)),
		}))
	case "reverse":
		pos, _ := strconv.ParseUint(arg(1), 10, 64)
		s.show(posting(&wire.PostMoney{Kind: wire.PostingKind_POSTING_KIND_REVERSAL, Reverses: pos}))
	case "hold":
		s.show(s.hold(arg(1), arg(2), arg(3), words[4:]))
	case "emergency": // CALL, then as hold
		c := s.hold(arg(1), arg(2), arg(3), words[4:])
		c.GetPlaceHold().Emergency, c.GetPlaceHold().Lines[0].Package = "112", ""
		s.show(c)
	case "settings":
		s.put(&wire.Settings{Id: "settings", EmergencyNumbers: words[1:]})
	case "extend":
		h, _ := s.st.Ledger.Hold([16]byte(callID(s.call(arg(1)))))
		s.show(extending(s.call(arg(1)), h.PaidMs))
	case "charge":
		c := charging(s.call(arg(1)), s.duration(arg(2)).Milliseconds())
		if len(words) > 3 {
			n, _ := strconv.Atoi(arg(3))
			c.GetChargeCall().Candidate, c.GetChargeCall().EgressLeg, c.GetChargeCall().Attempts = uint32(n-1), uint32(n), uint32(n)
		}
		s.show(c)
	case "unanswered": // CALL ATTEMPTS
		n, _ := strconv.Atoi(arg(2))
		s.show(&wire.Command{Body: &wire.Command_ChargeCall{ChargeCall: &wire.ChargeCall{
			Call: callID(s.call(arg(1))), Attempts: uint32(n), Unanswered: true, EndedAtUs: s.now, SipCode: 480,
		}}})
	case "release":
		s.show(releasing(s.call(arg(1))))
	case "claim":
		s.show(claiming(s.call(arg(1)), arg(2)))
	case "balances":
		s.balances()
	default:
		if !s.more(words) {
			s.t.Fatalf("%q: no such command", line)
		}
	}
}

func (s *script) amount(text string) int64 {
	a, err := money.ParseAmount(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return int64(a)
}

func (s *script) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

func (s *script) call(name string) int {
	if _, ok := s.calls[name]; !ok {
		s.calls[name] = len(s.calls) + 1
	}
	return s.calls[name]
}

// mutual CURRENCY AMOUNT, of the company that all accounts belong to
func (s *script) mutual(currency, limit string) {
	s.put(&wire.Company{Id: "co", MutualLimits: []*wire.MutualLimit{{Currency: currency, LimitMicro: s.amount(limit)}}})
}

// alert ACCOUNT [low AMOUNT] [high AMOUNT] [rearm AMOUNT]; without a threshold there is none
func (s *script) alert(words []string) {
	a := proto.CloneOf(s.st.Catalog.Account(words[1]))
	a.Alerts = &wire.AccountAlerts{}
	for i, w := range words {
		switch w {
		case "low":
			a.Alerts.LowMicro = proto.Int64(s.amount(words[i+1]))
		case "high":
			a.Alerts.HighMicro = proto.Int64(s.amount(words[i+1]))
		case "rearm":
			a.Alerts.RearmMicro = s.amount(words[i+1])
		}
	}
	c := putting(a)
	s.show(c)
}

// account NAME CURRENCY [vendor] [limit AMOUNT] [channels N] [package NAME] [disabled]
func (s *script) account(words []string) {
	a := account(words[1], 0)
	a.Currency = words[2]
	for i, w := range words {
		switch w {
		case "vendor":
			a.Kind = wire.AccountKind_ACCOUNT_KIND_VENDOR
		case "limit":
			a.CreditLimitMicro = s.amount(words[i+1])
		case "channels":
			n, _ := strconv.Atoi(words[i+1])
			a.Channels = uint32(n)
		case "package":
			a.Package = words[i+1]
		case "disabled":
			a.Disabled = true
		}
	}
	s.put(a)
}

// deck NAME CURRENCY PRICE INCREMENTS [fee AMOUNT] [attempt AMOUNT] [minimum AMOUNT] [tax PPM] [inclusive] [decimals N]
func (s *script) deck(words []string) {
	csv := fmt.Sprintf("prefix,price,increments\n49,%s,%s\n", words[3], words[4])
	d, v := deckOf(words[1])
	d.Currency = words[2]
	rows, err := rating.ParseCSV([]byte(csv))
	if err != nil {
		s.t.Fatal(err)
	}
	for i, w := range words {
		switch w {
		case "fee":
			rows[0].ConnectFee = money.Amount(s.amount(words[i+1]))
		case "attempt":
			rows[0].AttemptFee = money.Amount(s.amount(words[i+1]))
		case "minimum":
			rows[0].Minimum = money.Amount(s.amount(words[i+1]))
		case "tax":
			n, _ := strconv.Atoi(words[i+1])
			d.TaxPpm = uint32(n)
		case "inclusive":
			d.TaxInclusive = true
		case "decimals":
			n, _ := strconv.Atoi(words[i+1])
			d.Decimals = uint32(n)
		}
	}
	s.put(d, v)
	s.decks[words[1]] = rows[0].Terms(d, v, 1)
	s.exchange(s.decks[words[1]], words)
}

// exchange reads "in CURRENCY RATE" behind a deck: what its account is in.
func (s *script) exchange(t *wire.Terms, words []string) {
	i := slices.Index(words, "in")
	if i < 0 {
		return
	}
	rate, err := catalog.ParseExchange(words[i+2])
	if err != nil {
		s.t.Fatal(err)
	}
	id := catalog.ExchangeID(t.Currency, words[i+1], noon)
	s.put(&wire.ExchangeRate{Id: id, Base: t.Currency, Quote: words[i+1], RateE12: rate, EffectiveFromUs: noon})
	t.AccountCurrency, t.ExchangeE12, t.Exchange = words[i+1], rate, id
}

// hold CALL PAYER DECK, then VENDOR DECK for each candidate
func (s *script) hold(call, payer, deck string, route []string) *wire.Command {
	sell := s.terms(deck)
	p := &wire.PlaceHold{
		Call:            callID(s.call(call)),
		Lines:           []*wire.HoldLine{{Payer: payer, Sell: sell, Package: s.st.Catalog.PackageFor(payer, sell.Prefix)}},
		CatalogPosition: uint64(s.st.Catalog.Position()), SetupMs: 120_000, MaxMs: 7_200_000,
	}
	for pair := range slices.Chunk(route, 2) {
		t := s.st.Catalog.Terminator(pair[0]) // most scripts have none
		p.Route = append(p.Route, &wire.Candidate{Terminator: t.GetId(), VendorAccount: pair[0], Buy: s.terms(pair[1])})
	}
	return &wire.Command{Body: &wire.Command_PlaceHold{PlaceHold: p}}
}

func (s *script) show(c *wire.Command) {
	reply, evs := s.do(c)
	if reply.Error != nil {
		s.say("refused: %s: %s", reply.Error.Code, reply.Error.Message)
		return
	}
	if reply.Repeated {
		s.say("as before")
	}
	if g := reply.GetHoldGranted(); g != nil {
		s.say("paid for %v: %s held", time.Duration(g.PaidMs)*time.Millisecond, money.Amount(g.AmountsMicro[0]))
	}
	if c := reply.GetCharged(); c != nil {
		s.say("sold for %s, bought for %s", money.Amount(c.GrossMicro), money.Amount(c.CostMicro))
	}
	for _, e := range evs {
		switch {
		case e.GetChargeContested() != nil:
			s.say("contested")
		case e.GetPeriodClosed() != nil:
			p := e.GetPeriodClosed()
			s.say("closed %s: %s brought forward, through position %d", p.Account, money.Amount(p.BalanceMicro), p.Through)
		case e.GetAlertRaised() != nil:
			r := e.GetAlertRaised()
			s.say("ALERT %s: %s has %s, the threshold is %s", strings.TrimPrefix(r.Kind.String(), "ALERT_KIND_"), r.Account, money.Amount(r.BalanceMicro), money.Amount(r.ThresholdMicro))
		case e.GetAlertCleared() != nil:
			r := e.GetAlertCleared()
			s.say("armed again %s: %s has %s", strings.TrimPrefix(r.Kind.String(), "ALERT_KIND_"), r.Account, money.Amount(r.BalanceMicro))
		case e.GetHoldClaimed() != nil:
			s.say("from %s to %s", e.GetHoldClaimed().FromNode, e.GetHoldClaimed().ToNode)
		case e.GetRouteAdvanced() != nil:
			s.seated(e.GetRouteAdvanced().Call, e.GetRouteAdvanced().Candidate, e.GetRouteAdvanced().Passed)
		case e.GetHoldPlaced() != nil:
			s.reserved(e.GetHoldPlaced().Call)
			s.seated(e.GetHoldPlaced().Call, e.GetHoldPlaced().Candidate, e.GetHoldPlaced().Passed)
		case e.GetHoldExtended() != nil:
			s.reserved(e.GetHoldExtended().Call)
		}
		if u := e.GetOfflineWrittenUp(); u != nil {
			s.writtenUp(u)
		}
		for _, l := range slices.Concat(e.GetCallCharged().GetLines(), e.GetOfflineWrittenUp().GetLines()) {
			s.say("%s: %d s billed, exactly %s, net %s, tax %s, gross %s", l.Account, l.BilledS, l.Exact,
				money.Amount(l.NetMicro), money.Amount(l.TaxMicro), money.Amount(l.GrossMicro))
			if l.Package != "" {
				s.say("%s pays the first %d s of them", l.Package, l.PackageS)
			}
			s.segments(l)
		}
		for _, p := range slices.Concat(e.GetCallCharged().GetPostings(), e.GetMoneyPosted().GetPostings(), e.GetOfflineWrittenUp().GetPostings()) {
			late := ""
			if p.Late {
				late = "  LATE"
			}
			s.say("%3d  %-20s %s %14s%s", s.st.Position, p.Account, p.Currency, money.Amount(p.AmountMicro), late)
		}
	}
}

// reserved says what a hold has that is not money, and what it is for.
func (s *script) reserved(call []byte) {
	h, _ := s.st.Ledger.Hold([16]byte(call))
	for _, l := range h.Lines {
		if l.Package != "" {
			s.say("%s of %s held", money.Amount(l.PackageMicro), l.Package)
		}
	}
	if h.Emergency != "" {
		s.say("an emergency call to %s", h.Emergency)
	}
}

func (s *script) balances() {
	var rows []string
	s.st.Ledger.Accounts(func(a ledger.Account) {
		rows = append(rows, fmt.Sprintf("%-20s %s %14s  held %10s  calls %d", a.ID, a.Currency, a.Posted, a.Held, a.Calls))
	})
	slices.Sort(rows)
	for _, r := range rows {
		s.say("%s", r)
	}
}
