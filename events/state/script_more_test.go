package state_test

import (
	"fmt"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

// more runs the commands that few scripts need; false for one that there is not.
func (s *script) more(words []string) bool {
	arg := func(i int) string {
		if i >= len(words) {
			s.t.Fatalf("%q: word %d is missing", words, i)
		}
		return words[i]
	}
	switch words[0] {
	case "now": // INSTANT
		at, err := time.Parse(time.RFC3339, arg(1))
		if err != nil || at.UnixMicro() < s.now {
			s.t.Fatalf("%q: %v", words, err)
		}
		s.now = at.UnixMicro()
	case "backdated": // ACCOUNT AMOUNT AGO: a credit that counts earlier
		c := crediting(arg(1), s.amount(arg(2)))
		c.GetPostMoney().EffectiveAtUs = s.now - s.duration(arg(3)).Microseconds()
		s.show(c)
	case "talked": // CALL DURATION: it was answered so long ago
		c := charging(s.call(arg(1)), s.duration(arg(2)).Milliseconds())
		c.GetChargeCall().AnsweredAtUs, c.GetChargeCall().EndedAtUs = s.now-s.duration(arg(2)).Microseconds(), s.now
		c.GetChargeCall().Attempts = 1
		s.show(c)
	case "offline": // NODE NUMBER CALL PAYER DECK VENDOR DECK DURATION|running AGO
		s.show(s.offline(arg))
	case "banded":
		s.banded(arg)
	case "cutoff": // VENDOR LIMIT: no calls to him while we owe him more
		a := proto.CloneOf(s.st.Catalog.Account(arg(1)))
		a.CutOff, a.CreditLimitMicro = true, s.amount(arg(2))
		s.put(a)
	case "terminator": // VENDOR CHANNELS CALLSPERSECOND
		channels, _ := strconv.Atoi(arg(2))
		pace, _ := strconv.Atoi(arg(3))
		s.put(&wire.Deck{Id: arg(1), Currency: "USD", Decimals: 6}, &wire.Terminator{
			Id: arg(1), Company: "co", Account: arg(1), BuyDeck: arg(1), Host: "192.0.2.1", Channels: uint32(channels), CallsPerSecond: uint32(pace),
		})
	case "advance": // CALL NUMBER: the vendor before has failed
		n, _ := strconv.Atoi(arg(2))
		s.show(advancing(s.call(arg(1)), uint32(n-1)))
	case "vendor":
		word := "gets calls"
		if ledger.VendorOut(s.st.Catalog.Account(arg(1)), s.posted(arg(1))) {
			word = "is cut off"
		}
		s.say("%s %s, we owe him %s", arg(1), word, s.posted(arg(1)))
	default:
		return false
	}
	return true
}

func (s *script) offline(arg func(int) string) *wire.Command {
	number, err := strconv.ParseUint(arg(2), 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	o := &wire.OfflineCall{
		Number: number, Call: callID(s.call(arg(3))), Payer: arg(4), Sell: s.terms(arg(5)), EgressLeg: 1,
		Candidate:  &wire.Candidate{VendorAccount: arg(6), Buy: s.terms(arg(7))},
		PlacedAtUs: s.now - s.duration(arg(9)).Microseconds(), SetupMs: 120_000, MaxMs: 7_200_000, PaidMs: 60_000,
	}
	if o.Running = arg(8) == "running"; !o.Running {
		o.AnsweredAtUs, o.RawMs = o.PlacedAtUs, s.duration(arg(8)).Milliseconds()
		o.EndedAtUs = o.AnsweredAtUs + o.RawMs*1000
	}
	c := writingUp(o)
	c.Node = arg(1)
	return c
}

// banded NAME CURRENCY PRICE NIGHTPRICE INCREMENTS ZONE FROM TO: its calls are split
// where the band "night" begins or ends, by the hours that the zone's clocks show.
func (s *script) banded(arg func(int) string) {
	d, v := deckOf(arg(1))
	zone, err := time.LoadLocation(arg(6))
	if err != nil {
		s.t.Fatal(err)
	}
	night := &wire.Band{Name: "night"}
	from, to := s.duration(arg(7)), s.duration(arg(8))
	for day := range uint32(7) {
		night.Hours = append(night.Hours, &wire.Hours{FromMinute: day*1440 + uint32(from.Minutes()), ToMinute: day*1440 + uint32(to.Minutes())})
	}
	d.Currency, d.TimeZone, d.BandsSplit, d.Bands = arg(2), arg(6), true, []*wire.Band{night}
	rows, err := rating.ParseCSV(fmt.Appendf(nil, "prefix,price,increments,band\n49,%s,%s,\n49,%s,%s,night\n", arg(3), arg(5), arg(4), arg(5)))
	if err != nil {
		s.t.Fatal(err)
	}
	s.put(d, v)
	s.bands[arg(1)] = func() *wire.Terms {
		var shifts []rating.Shift
		for at := events.Instant(s.now).Truncate(time.Minute); len(shifts) < 3; at = at.Add(time.Minute) {
			local := at.In(zone)
			clock := time.Duration(local.Hour())*time.Hour + time.Duration(local.Minute())*time.Minute
			band := ""
			if from <= clock && clock < to {
				band = "night"
			}
			if len(shifts) == 0 || shifts[len(shifts)-1].Band != band {
				shifts = append(shifts, rating.Shift{AtUS: at.UnixMicro(), Band: band})
			}
		}
		t, ok := rating.NewTable(d, v, rows).With(rating.Moment{Shifts: shifts}).Price(rating.Query{Called: "491", AtUS: s.now})
		if !ok {
			s.t.Fatal("there is no price")
		}
		return t
	}
}

// terms are a deck's price now.
func (s *script) terms(deck string) *wire.Terms {
	if now, ok := s.bands[deck]; ok {
		return now()
	}
	return s.decks[deck]
}

// segments tells the parts of a call that bands split.
func (s *script) segments(l *wire.PriceLine) {
	for _, p := range l.Segments {
		band := p.Band
		if band == "" {
			band = "day"
		}
		s.say("  from %s: %d s at %s (%s)", events.Instant(p.StartsAtUs).Format(time.TimeOnly), p.BilledS, money.Rate(p.PriceNano), band)
	}
}

func (s *script) writtenUp(u *wire.OfflineWrittenUp) {
	switch {
	case u.Hold != nil:
		s.say("call %d of %s goes on: %s held", u.Call.Number, u.Node, money.Amount(u.Hold.Lines[0].AmountMicro))
	case u.Booked:
		s.say("call %d of %s is booked", u.Call.Number, u.Node)
	default:
		s.say("call %d of %s is known", u.Call.Number, u.Node)
	}
}

// seated tells which vendor a call has a channel of, if he is not the first of a short
// route, and how many calls have one of his.
func (s *script) seated(call []byte, candidate uint32, passed []*wire.PassedOver) {
	h, _ := s.st.Ledger.Hold([16]byte(call))
	for _, p := range passed {
		s.say("%s is passed over: %s", h.Route[p.Candidate].Terminator, p.Reason)
	}
	if int(candidate) == len(h.Route) {
		s.say("nobody is left")
		return
	}
	if id := h.Route[candidate].Terminator; s.st.Catalog.Terminator(id) != nil {
		s.say("goes to %s, who has %d", id, s.st.Ledger.VendorCalls(id))
	}
}
