package resolve

import (
	"cmp"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/model"
	"github.com/tollbook/tollbook/projections/history"
)

// routedOf is how a call's route was decided, nil if it was not.
func routedOf(c *history.Call) *wire.CallRouted {
	for i := range c.Events {
		if routed := c.Events[i].Body.GetCallRouted(); routed != nil {
			return routed
		}
	}
	return nil
}

// decision shows how a route was decided, nil for none.
func decision(d *wire.CallRouted) *model.RouteDecision {
	if d == nil {
		return nil
	}
	out := &model.RouteDecision{
		At: events.Instant(d.AtUs), PlanID: model.OptionalID(catalog.KindRoutePlan, d.Plan), CatalogPosition: events.Position(d.CatalogPosition),
		Refused: text(d.Refused), Currency: d.Currency, MarginCurrency: cmp.Or(d.MarginCurrency, d.Currency), SellPrice: model.Nano(d.SellPriceNano),
		SellDeckID: model.OptionalID(catalog.KindDeck, d.SellDeck), SellPrefix: d.SellPrefix,
		Choices: each(d.Choices, choice), PackageID: model.OptionalID(catalog.KindAccount, d.Package), Emergency: text(d.Emergency),
		GuardRuleID: model.OptionalID(catalog.KindGuardRule, d.Guard),
	}
	rank := 0
	for _, c := range out.Choices {
		if c.Rejected == nil {
			rank++
			at := rank
			c.Rank = &at
		}
	}
	return out
}

// sentOut fills in the numbers that vendors got.
func sentOut(d *model.RouteDecision, c *history.Call) {
	for i := range c.Events {
		a := c.Events[i].Body.GetAttemptStarted()
		if a == nil || d == nil {
			continue
		}
		for _, x := range d.Choices {
			if x.RouteID == model.ID(catalog.KindRoute, a.Route) && x.TerminatorID == model.ID(catalog.KindTerminator, a.Terminator) {
				x.CallerOut, x.CalledOut = text(a.CallerOut), text(a.CalledOut)
			}
		}
	}
}

func choice(c *wire.RouteChoice) *model.RouteChoice {
	return &model.RouteChoice{
		TerminatorID: model.ID(catalog.KindTerminator, c.Terminator), RouteID: model.ID(catalog.KindRoute, c.Route),
		DeckID: model.OptionalID(catalog.KindDeck, c.Deck), Prefix: c.Prefix, Price: model.Nano(c.PriceNano), Currency: c.Currency,
		Margin: model.Nano(c.MarginNano), Rejected: text(c.Rejected),
		Quality: each(c.Quality, qualityUsed),
	}
}

func qualityUsed(q *wire.QualityUsed) *model.QualityUsed {
	out := &model.QualityUsed{Figure: showFigure(q.Figure), Window: int(q.WindowS), Attempts: int(q.Attempts)}
	if q.Known {
		v := model.Decimal{Units: int64(q.Value), Places: 3}
		if q.Figure == wire.QualityFigure_QUALITY_FIGURE_ASR || q.Figure == wire.QualityFigure_QUALITY_FIGURE_NER {
			v = model.Micro(int64(q.Value))
		}
		out.Value = &v
	}
	return out
}

// text is a text, nil for none.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
