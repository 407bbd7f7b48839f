package resolve

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/model"
	"github.com/tollbook/tollbook/projections/history"
)

// call finds a call that the viewer may see; a partner sees his own legs of it
// and his own side of the price.
func (r *Resolver) call(ctx context.Context, id string) (*model.Call, error) {
	key, ok := model.ParseCallID(id)
	if !ok {
		return nil, nil
	}
	c, err := r.History.Call(ctx, key)
	if errors.Is(err, history.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, asked(err)
	}
	charge, routed := chargeOf(&c), routedOf(&c)
	if v := auth.FromContext(ctx); !v.Staff() {
		if c, ok = c.ForPartner(v.Company); !ok {
			return nil, nil
		}
		routed = nil // it tells of vendors and margins
	}
	out := r.showCall(key, &c, charge)
	out.Decision = decision(routed)
	sentOut(out.Decision, &c)
	return out, nil
}

// chargeOf is the charge of a call, nil if there is none.
func chargeOf(c *history.Call) *wire.CallCharged {
	for i := range c.Events {
		if charge := c.Events[i].Body.GetCallCharged(); charge != nil {
			return charge
		}
		if u := c.Events[i].Body.GetOfflineWrittenUp(); u.GetBooked() {
			return ledger.OfflineCharge(u)
		}
	}
	return nil
}

// inTime orders the events of both journals as they happened: what was observed by
// when that was, what was decided by when the book took it.
func inTime(list []history.Event) []history.Event {
	out := slices.Clone(list)
	slices.SortStableFunc(out, func(a, b history.Event) int { return cmp.Compare(happened(&a), happened(&b)) })
	return out
}

func (r *Resolver) showCall(id events.CallID, c *history.Call, charge *wire.CallCharged) *model.Call {
	out := &model.Call{
		ID: model.CallID(id), AsOf: r.asOf(),
		Legs: []*model.Cdr{}, Events: []*model.CallEvent{}, PriceLines: []*model.PriceLine{}, Candidates: []*model.Candidate{},
	}
	for i := range c.Legs {
		out.Legs = append(out.Legs, cdr(&c.Legs[i]))
		if p := c.Legs[i].BookPosition; p != 0 {
			out.ChargedAt = p
		}
	}
	for _, e := range inTime(c.Events) {
		out.Events = append(out.Events, callEvent(&e))
	}
	for i := range c.Lines {
		out.PriceLines = append(out.PriceLines, priceLine(&c.Lines[i], out.ChargedAt))
	}
	if c.Hold != nil {
		for i := range c.Hold.Route {
			out.Candidates = append(out.Candidates, candidate(i+1, &c.Hold.Route[i]))
		}
	}
	for _, line := range charge.GetLines() {
		addTerms(out.PriceLines, line)
	}
	for _, rate := range charge.GetBaseRates() {
		for _, p := range out.PriceLines {
			if p.Currency == rate.Currency {
				p.BaseRate = exchanged(rate.RateE12)
			}
		}
	}
	return out
}

// addTerms completes a price line with what only the charge's event tells.
func addTerms(lines []*model.PriceLine, l *wire.PriceLine) {
	side := model.SideSell
	if l.Side == wire.Side_SIDE_BUY {
		side = model.SideBuy
	}
	t := l.GetTerms()
	for _, p := range lines {
		if p.Side == side && p.Leg == int(l.Leg) {
			p.AttemptFee, p.Minimum = model.Micro(t.GetAttemptFeeMicro()), model.Micro(t.GetMinimumMicro())
			p.Rounding, p.Decimals = model.RoundingModeOf(t.GetRounding()), int(t.GetDecimals())
			p.TaxInclusive = t.GetTaxInclusive()
			p.Explanation = rating.Explain(l)
		}
	}
}

func priceLine(l *history.PriceLine, position int64) *model.PriceLine {
	return &model.PriceLine{
		Side: model.Side(strings.ToUpper(l.Side)), Leg: int(l.Leg),
		AccountID: model.OptionalID(catalog.KindAccount, l.BilledAccount), DeckID: model.ID(catalog.KindDeck, l.Deck),
		DeckVersion: int(l.DeckVersion), Row: int(l.DeckRow), Prefix: l.Prefix, Destination: l.Destination,
		Currency: l.Currency, DeckCurrency: l.DeckCurrency, ExchangeRate: exchanged(l.ExchangeE12), Raw: time.Duration(l.RawMS) * time.Millisecond,
		BilledSeconds: int(l.BilledS), FirstSeconds: int(l.FirstS),
		PackageID: model.OptionalID(catalog.KindAccount, l.Package), PackageSeconds: int(l.PackageS),
		PriceFirst: model.Nano(l.PriceFirstNano), PriceNext: model.Nano(l.PriceNextNano),
		IntervalFirst: int(l.IntervalFirstS), IntervalNext: int(l.IntervalNextS), FreeSeconds: int(l.FreeS),
		ConnectFee: model.Micro(l.ConnectFeeMicro), Rounding: model.RoundingModeHalfUp, Decimals: 6,
		AttemptFee: model.Micro(0), Minimum: model.Micro(0), Explanation: []string{},
		TaxRate: model.Micro(l.TaxPPM), Exact: l.Exact, Net: amount(l.NetMicro, l.Currency),
		Tax: amount(l.TaxMicro, l.Currency), Gross: amount(l.GrossMicro, l.Currency), Position: events.Position(position),
	}
}

func candidate(rank int, c *history.Candidate) *model.Candidate {
	return &model.Candidate{
		Rank: rank, TerminatorID: model.ID(catalog.KindTerminator, c.Terminator),
		AccountID: model.OptionalID(catalog.KindAccount, c.BilledAccount),
		RouteID:   model.OptionalID(catalog.KindRoute, c.Route), DeckID: model.OptionalID(catalog.KindDeck, c.Deck),
		DeckVersion: int(c.DeckVersion), Prefix: c.Prefix, Destination: c.Destination, Currency: c.DeckCurrency,
		PriceFirst: model.Nano(c.PriceFirstNano), PriceNext: model.Nano(c.PriceNextNano), Passed: text(c.Passed),
	}
}
