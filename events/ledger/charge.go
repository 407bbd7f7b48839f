package ledger

import (
	"cmp"
	"crypto/sha256"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

// ChargeCall decides the price of a call that has ended and closes its hold. It
// gives either a charge, or a contest, or, for a repeat, neither: then the closed
// call has the answer.
func (s *State) ChargeCall(d Deciding, c *wire.ChargeCall) (*wire.CallCharged, *wire.ChargeContested, error) {
	id, err := events.CallIDFrom(c.Call)
	if err != nil {
		return nil, nil, err
	}
	figures := figuresOf(c)
	if old, ok := s.closed[id]; ok {
		if old.Figures == string(figures) || old.Contested == string(figures) {
			return nil, nil, nil
		}
		return nil, &wire.ChargeContested{
			Call: c.Call, Node: d.Command.Node, RawMs: c.RawMs,
			Figures: figures, AcceptedFigures: []byte(old.Figures),
		}, nil
	}
	_, h, err := s.owned(d, c.Call)
	if err != nil {
		return nil, nil, err
	}
	charged := &wire.CallCharged{
		Call: c.Call, Node: h.Node, Candidate: c.Candidate, EgressLeg: c.EgressLeg,
		AnsweredAtUs: c.AnsweredAtUs, EndedAtUs: c.EndedAtUs, RawMs: c.RawMs,
		SipCode: c.SipCode, Q850: c.Q850, EndedBy: c.EndedBy, Figures: figures,
		Attempts: c.Attempts, Unanswered: c.Unanswered,
	}
	if c.Unanswered && (c.RawMs != 0 || c.AnsweredAtUs != 0) {
		return nil, nil, events.Invalid("a call that nobody answered has no answer and no talk time")
	}
	if c.Unanswered && c.Attempts == 0 {
		return nil, nil, events.Invalid("a call that no vendor was tried for costs nothing: release it")
	}
	if err := s.priced(charged, h); err != nil {
		return nil, nil, err
	}
	InBase(charged, d.Catalog, d.NowUS)
	return charged, nil, CheckBalanced(charged.Postings)
}

// figuresOf is the hash by which a repeated charge is recognised.
func figuresOf(c *wire.ChargeCall) []byte {
	h := sha256.Sum256(events.Canonical(nil, c))
	return h[:]
}

// priced is price, with late postings flagged.
func (s *State) priced(c *wire.CallCharged, h *Hold) error {
	if err := price(c, h); err != nil {
		return err
	}
	s.flagLate(c.Postings, cmp.Or(c.AnsweredAtUs, c.EndedAtUs))
	return nil
}

// price fills in the price lines and postings of a charge from its hold. An
// answered call costs its payers the call, an unanswered one the attempt fee of
// their deck, once. Of the vendors, the one who answered is paid for the call and
// each of the others who was tried his attempt fee.
func price(c *wire.CallCharged, h *Hold) error {
	if int(c.Attempts) > len(h.Route) {
		return events.Invalid("the hold has no %d candidates", c.Attempts)
	}
	c.Lines = make([]*wire.PriceLine, 0, len(h.Lines)+max(1, int(c.Attempts)))
	c.Postings = make([]*wire.Posting, 0, 8)
	for _, l := range h.Lines {
		if l.Payer == "" {
			continue
		}
		p, err := cost(c, l.Sell, c.Unanswered, l.PackageMicro/second)
		if err != nil {
			return err
		}
		if c.Unanswered && p.Gross == 0 {
			continue
		}
		leg := l.Leg
		if leg > 0 && c.EgressLeg > 0 {
			leg = c.EgressLeg // who pays for being called pays for the leg that answered
		}
		line := priceLine(c, wire.Side_SIDE_SELL, leg, l.Payer, l.Sell, c.Unanswered, p)
		c.Lines = append(c.Lines, line)
		paid := min(p.Gross, money.Amount(l.AmountMicro))
		over := p.Gross - paid
		c.OverrunMicro += int64(over)
		cur := rating.Currency(l.Sell)
		c.Postings = addPosting(c.Postings, l.Payer, cur, -paid)
		c.Postings = addPosting(c.Postings, Own(Overrun, cur), cur, -over)
		c.Postings = addPosting(c.Postings, Own(Revenue, cur), cur, p.Net)
		c.Postings = addPosting(c.Postings, Own(Tax, cur), cur, p.Tax)
		if p.Package > 0 {
			line.Package, line.PackageS = l.Package, p.Package
			c.Postings = used(c.Postings, l.Package, p.Package)
		}
	}
	for i := range int(c.Attempts) {
		if !Passed(h.HoldPlaced, i) && (c.Unanswered || i != int(c.Candidate)) {
			if err := pay(c, h.Route[i], uint32(i)+1, true); err != nil {
				return err
			}
		}
	}
	if c.Unanswered {
		return nil
	}
	if int(c.Candidate) >= len(h.Route) {
		return events.Invalid("the hold has no candidate %d", c.Candidate)
	}
	return pay(c, h.Route[c.Candidate], c.EgressLeg, false)
}

// pay adds what a vendor gets for an attempt: an answered one, or its fee.
func pay(c *wire.CallCharged, v *wire.Candidate, leg uint32, unanswered bool) error {
	if v.VendorAccount == "" {
		return nil
	}
	p, err := cost(c, v.Buy, unanswered, 0)
	if err != nil || unanswered && p.Gross == 0 {
		return err
	}
	c.Lines = append(c.Lines, priceLine(c, wire.Side_SIDE_BUY, leg, v.VendorAccount, v.Buy, unanswered, p))
	cur := rating.Currency(v.Buy)
	c.Postings = addPosting(c.Postings, v.VendorAccount, cur, p.Gross)
	c.Postings = addPosting(c.Postings, Own(Cost, cur), cur, -p.Net)
	c.Postings = addPosting(c.Postings, Own(Tax, cur), cur, -p.Tax)
	return nil
}

func cost(c *wire.CallCharged, t *wire.Terms, unanswered bool, packageS int64) (rating.Price, error) {
	if unanswered {
		return rating.Attempt(t)
	}
	return rating.CallBeyond(t, c.AnsweredAtUs, c.RawMs, packageS)
}

func priceLine(c *wire.CallCharged, side wire.Side, leg uint32, account string, t *wire.Terms, unanswered bool, p rating.Price) *wire.PriceLine {
	l := &wire.PriceLine{
		Side: side, Leg: leg, Account: account, Terms: t,
		BilledS: p.Billed, FirstS: p.First, Exact: p.Exact(), Unanswered: unanswered, Segments: p.Segments,
		NetMicro: int64(p.Net), TaxMicro: int64(p.Tax), GrossMicro: int64(p.Gross), ExactConverted: p.ExactConverted(t),
		DeckNetMicro: int64(p.DeckNet), DeckTaxMicro: int64(p.DeckTax), DeckGrossMicro: int64(p.DeckGross),
	}
	if !unanswered {
		l.RawMs = c.RawMs
	}
	return l
}

// addPosting appends a posting of an amount, none of zero.
func addPosting(to []*wire.Posting, account, currency string, amount money.Amount) []*wire.Posting {
	if amount == 0 {
		return to
	}
	return append(to, &wire.Posting{Account: account, Currency: currency, AmountMicro: int64(amount)})
}

// Reprice computes a charge anew from the hold it closed; verification compares
// it with what was recorded.
func (s *State) Reprice(recorded *wire.CallCharged, h *Hold) (*wire.CallCharged, error) {
	c := proto.CloneOf(recorded)
	c.Lines, c.Postings, c.OverrunMicro = nil, nil, 0
	return c, s.priced(c, h)
}
