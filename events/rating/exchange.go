package rating

import (
	"math/big"
	"strings"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/wire"
)

// RateOne is an exchange rate of 1: rates are whole millionths of a millionth.
const RateOne = 1_000_000_000_000

// Currency is that of the account that terms are charged to.
func Currency(t *wire.Terms) string {
	if t.GetAccountCurrency() != "" {
		return t.AccountCurrency
	}
	return t.GetCurrency()
}

// Convert is a price in another currency, at a rate in millionths of a millionth,
// rounded down; false where it is too large to be one.
func Convert(nano, rateE12 int64) (int64, bool) {
	if nano < 0 || rateE12 <= 0 {
		return 0, false
	}
	whole, _ := money.WideOf(uint64(nano), uint64(rateE12)).Div(RateOne)
	return int64(whole.Lo), whole.Hi == 0 && whole.Lo <= 1<<62
}

// ConvertAmount is an amount in another currency, in micro-units, at a rate in
// millionths of a millionth, rounded half up; false where it is too large to be one.
func ConvertAmount(micro, rateE12 int64) (int64, bool) {
	if micro < 0 || rateE12 <= 0 {
		return 0, false
	}
	return money.WideOf(uint64(micro), uint64(rateE12)).Round(RateOne, money.HalfUp)
}

// PerMinute are the first and the following price of a minute in the account's
// currency, before the tax that may stand in them, rounded down. It is what
// margins are compared by; false where a price is too large to be converted.
func PerMinute(t *wire.Terms) (first, next int64, ok bool) {
	first, next = netOf(t, t.PriceFirstNano), netOf(t, t.PriceNextNano)
	if t.AccountCurrency == "" {
		return first, next, true
	}
	first, ok = Convert(first, t.ExchangeE12)
	next, also := Convert(next, t.ExchangeE12)
	return first, next, ok && also
}

func netOf(t *wire.Terms, nano int64) int64 {
	if !t.TaxInclusive {
		return nano
	}
	whole, _ := money.WideOf(uint64(nano), ppm).Div(ppm + uint64(t.TaxPpm))
	return int64(whole.Lo)
}

// convert makes a price in the account's currency of one in the deck's: the exact
// price is multiplied by the rate, then rounded, once.
func (p Price) convert(t *wire.Terms) (Price, error) {
	p.DeckNet, p.DeckTax, p.DeckGross = p.Net, p.Tax, p.Gross
	value := new(big.Int).Mul(p.exact.Int(), big.NewInt(t.ExchangeE12))
	step := int64(1)
	for range 6 - min(6, t.Decimals) {
		step *= 10
	}
	tax := int64(t.TaxPpm)
	divisor := new(big.Int).Mul(big.NewInt(scale*step), big.NewInt(RateOne))
	if t.TaxInclusive {
		divisor.Mul(divisor, big.NewInt(ppm+tax))
	} else {
		divisor.Mul(divisor, big.NewInt(ppm))
	}
	mode := roundingOf(t.Rounding)
	net, okNet := money.RoundInt(new(big.Int).Mul(value, big.NewInt(ppm)), divisor, mode)
	gross, okGross := money.RoundInt(new(big.Int).Mul(value, big.NewInt(ppm+tax)), divisor, mode)
	if !okNet || !okGross || net > int64(money.MaxAmount)/step || gross > int64(money.MaxAmount)/step {
		return Price{}, tooLarge(t)
	}
	p.Net, p.Gross = money.Amount(net*step), money.Amount(gross*step)
	p.Tax = p.Gross - p.Net
	return p, nil
}

// ExactConverted is the price before tax and rounding in the account's currency;
// empty where it is the deck's.
func (p Price) ExactConverted(t *wire.Terms) string {
	if t.AccountCurrency == "" {
		return ""
	}
	r := new(big.Rat).SetFrac(
		new(big.Int).Mul(p.exact.Int(), big.NewInt(t.ExchangeE12)),
		new(big.Int).Mul(big.NewInt(scale*money.MicroPerUnit), big.NewInt(RateOne)))
	places, finite := r.FloatPrec()
	if !finite {
		return r.RatString()
	}
	return strings.TrimSuffix(r.FloatString(places), ".")
}

func checkExchange(t *wire.Terms) error {
	switch {
	case t.AccountCurrency == "" && (t.ExchangeE12 != 0 || t.Exchange != ""):
		return events.Invalid("deck %s: an exchange rate without a currency", t.Deck)
	case t.AccountCurrency == "":
		return nil
	case t.AccountCurrency == t.Currency:
		return events.Invalid("deck %s: an exchange of %s into itself", t.Deck, t.Currency)
	case t.ExchangeE12 <= 0:
		return events.Invalid("deck %s: there is no exchange rate from %s to %s", t.Deck, t.Currency, t.AccountCurrency)
	}
	_, err := money.ParseCurrency(t.AccountCurrency)
	return err
}
