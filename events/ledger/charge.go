package ledger

import (
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
	}
	if err := price(charged, h); err != nil {
		return nil, nil, err
	}
	return charged, nil, CheckBalanced(charged.Postings)
}

// figuresOf is the hash by which a repeated charge is recognised.
func figuresOf(c *wire.ChargeCall) []byte {
	h := sha256.Sum256(events.Canonical(nil, c))
	return h[:]
}

// price fills in the price lines and postings of a charge from its hold.
func price(c *wire.CallCharged, h *Hold) error {
	for _, l := range h.Lines {
		if l.Payer == "" {
			continue
		}
		p, err := rating.Call(l.Sell, c.RawMs)
		if err != nil {
			return err
		}
		c.Lines = append(c.Lines, priceLine(wire.Side_SIDE_SELL, l.Leg, l.Payer, l.Sell, c.RawMs, p))
		paid := min(p.Gross, money.Amount(l.AmountMicro))
		over := p.Gross - paid
		c.OverrunMicro += int64(over)
		cur := l.Sell.Currency
		c.Postings = append(c.Postings, posting(l.Payer, cur, -paid)...)
		c.Postings = append(c.Postings, posting(Own(Overrun, cur), cur, -over)...)
		c.Postings = append(c.Postings, posting(Own(Revenue, cur), cur, p.Net)...)
		c.Postings = append(c.Postings, posting(Own(Tax, cur), cur, p.Tax)...)
	}
	if int(c.Candidate) >= len(h.Route) {
		return events.Invalid("the hold has no candidate %d", c.Candidate)
	}
	v := h.Route[c.Candidate]
	if v.VendorAccount == "" {
		return nil
	}
	p, err := rating.Call(v.Buy, c.RawMs)
	if err != nil {
		return err
	}
	c.Lines = append(c.Lines, priceLine(wire.Side_SIDE_BUY, c.EgressLeg, v.VendorAccount, v.Buy, c.RawMs, p))
	cur := v.Buy.Currency
	c.Postings = append(c.Postings, posting(v.VendorAccount, cur, p.Gross)...)
	c.Postings = append(c.Postings, posting(Own(Cost, cur), cur, -p.Net)...)
	c.Postings = append(c.Postings, posting(Own(Tax, cur), cur, -p.Tax)...)
	return nil
}

func priceLine(side wire.Side, leg uint32, account string, t *wire.Terms, rawMS int64, p rating.Price) *wire.PriceLine {
	return &wire.PriceLine{
		Side: side, Leg: leg, Account: account, Terms: t, RawMs: rawMS,
		BilledS: p.Billed, FirstS: p.First, Exact: p.Exact(),
		NetMicro: int64(p.Net), TaxMicro: int64(p.Tax), GrossMicro: int64(p.Gross),
	}
}

// posting is a posting of an amount, or none of zero.
func posting(account, currency string, amount money.Amount) []*wire.Posting {
	if amount == 0 {
		return nil
	}
	return []*wire.Posting{{Account: account, Currency: currency, AmountMicro: int64(amount)}}
}

// Reprice computes a charge anew from the hold it closed; verification compares
// it with what was recorded.
func Reprice(recorded *wire.CallCharged, h *Hold) (*wire.CallCharged, error) {
	c := proto.CloneOf(recorded)
	c.Lines, c.Postings, c.OverrunMicro = nil, nil, 0
	return c, price(c, h)
}
