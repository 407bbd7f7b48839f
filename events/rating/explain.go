package rating

import (
	"fmt"
	"time"

	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/wire"
)

// Explain derives the price of a line step by step, in sentences that somebody
// with a pocket calculator can follow. Everything in it stands in the line itself.
func Explain(l *wire.PriceLine) []string {
	t := l.GetTerms()
	if t == nil {
		return nil
	}
	out := []string{fmt.Sprintf("deck %s, version %d, row %d: prefix %s%s", t.Deck, t.DeckVersion, t.Row, t.Prefix, named(t))}
	if t.Origin != "" {
		out = append(out, "the caller is of origin set "+t.Origin)
	}
	if t.Band != "" {
		out = append(out, "in band "+t.Band+", in force when the call was let through")
	}
	if l.Unanswered {
		out = append(out, fmt.Sprintf("not answered: the attempt fee of %s %s", money.Amount(t.AttemptFeeMicro), t.Currency))
	} else {
		out = append(out, explainTime(l, t)...)
		if l.PackageS > 0 {
			out = append(out, fmt.Sprintf("package %s pays the first %d s of them", l.Package, l.PackageS))
		}
		switch {
		case l.PackageS > 0 && l.PackageS == l.BilledS:
			out = append(out, "nothing is left to pay")
		case l.BilledS > 0:
			out = append(out, explainPrice(l, t)...)
		}
	}
	return append(out, explainAmount(l, t)...)
}

func named(t *wire.Terms) string {
	s := ""
	if t.Destination != "" {
		s += " (" + t.Destination + ")"
	}
	if t.ExternalId != "" {
		s += ", known as " + t.ExternalId
	}
	return s
}

func explainTime(l *wire.PriceLine, t *wire.Terms) []string {
	whole := max(1, (l.RawMs+999)/1000)
	out := []string{fmt.Sprintf("talk time %d.%03d s, rounded up to %d s", l.RawMs/1000, l.RawMs%1000, whole)}
	if t.FreeS > 0 {
		if l.BilledS == 0 {
			return append(out, fmt.Sprintf("within the %d free seconds: it costs nothing", t.FreeS))
		}
		whole -= int64(t.FreeS)
		out = append(out, fmt.Sprintf("less %d free seconds: %d s", t.FreeS, whole))
	}
	return append(out, fmt.Sprintf("increments %d/%d: billed %d s, %d s of them at the first price",
		t.IntervalFirstS, t.IntervalNextS, l.BilledS, l.FirstS))
}

func explainPrice(l *wire.PriceLine, t *wire.Terms) []string {
	var out []string
	part := func(seconds, nano int64, when string) {
		if seconds > 0 {
			exact := money.WideOf(uint64(seconds), uint64(nano)).Exact(scale * money.MicroPerUnit)
			out = append(out, fmt.Sprintf("%d s x %s %s a minute%s = %s", seconds, money.Rate(nano).Short(), t.Currency, when, exact))
		}
	}
	if len(l.Segments) == 0 {
		part(max(0, l.FirstS-l.PackageS), t.PriceFirstNano, "")
		part(l.BilledS-max(l.FirstS, l.PackageS), t.PriceNextNano, "")
	}
	for _, s := range l.Segments {
		band := s.Band
		if band == "" {
			band = "no band"
		}
		part(s.BilledS, s.PriceNano, fmt.Sprintf(", %s from %s", band, time.UnixMicro(s.StartsAtUs).UTC().Format("2006-01-02 15:04:05 UTC")))
	}
	if t.ConnectFeeMicro > 0 {
		out = append(out, fmt.Sprintf("connect fee %s %s", money.Amount(t.ConnectFeeMicro), t.Currency))
	}
	if t.MinimumMicro > 0 {
		out = append(out, fmt.Sprintf("at least %s %s", money.Amount(t.MinimumMicro), t.Currency))
	}
	return out
}

func explainAmount(l *wire.PriceLine, t *wire.Terms) []string {
	exact := l.Exact
	if exact == "" {
		exact = "0"
	}
	out := []string{fmt.Sprintf("exactly %s %s", exact, t.Currency)}
	if t.AccountCurrency != "" {
		out = append(out,
			fmt.Sprintf("exchanged at %s %s for a %s (rate %s): exactly %s %s", money.FormatDecimal(t.ExchangeE12, 12), t.AccountCurrency, t.Currency, t.Exchange, l.ExactConverted, t.AccountCurrency),
			fmt.Sprintf("in the deck's currency: net %s, tax %s, gross %s %s", money.Amount(l.DeckNetMicro), money.Amount(l.DeckTaxMicro), money.Amount(l.DeckGrossMicro), t.Currency))
	}
	mode := map[wire.RoundingMode]string{
		wire.RoundingMode_ROUNDING_MODE_UP: "up", wire.RoundingMode_ROUNDING_MODE_DOWN: "down",
		wire.RoundingMode_ROUNDING_MODE_HALF_EVEN: "half to even",
	}[t.Rounding]
	if mode == "" {
		mode = "half up"
	}
	switch {
	case t.TaxPpm == 0:
		out = append(out, "no tax")
	case t.TaxInclusive:
		out = append(out, fmt.Sprintf("the price contains %s %% tax", percent(t.TaxPpm)))
	default:
		out = append(out, fmt.Sprintf("%s %% tax on top", percent(t.TaxPpm)))
	}
	return append(out, fmt.Sprintf("net and gross rounded once, %s, to %d decimals: net %s, tax %s, gross %s %s",
		mode, t.Decimals, money.Amount(l.NetMicro), money.Amount(l.TaxMicro), money.Amount(l.GrossMicro), Currency(t)))
}

func percent(ppm uint32) string { return fmt.Sprintf("%d.%04d", ppm/10_000, ppm%10_000) }
