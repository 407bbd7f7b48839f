package catalog

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/number"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

const (
	maxBands     = 32
	maxOrigins   = 10_000
	maxColumns   = 100
	maxNotice    = 365
	exchangeUnit = 12 // decimal places of an exchange rate
)

// pair are the currencies of an exchange rate.
type pair struct{ base, quote string }

// ExchangeID is the id of the exchange rate of two currencies from an instant on.
func ExchangeID(base, quote string, fromUS int64) string {
	return fmt.Sprintf("%s-%s-%d", base, quote, fromUS)
}

// ParseExchange reads an exchange rate: a decimal number with at most 12 places.
func ParseExchange(s string) (int64, error) {
	n, err := money.ParseDecimal(s, exchangeUnit)
	if err == nil && n <= 0 {
		err = events.Invalid("an exchange rate is above 0")
	}
	return n, err
}

// OriginSet finds an origin set by its id; nil if there is none.
func (s *State) OriginSet(id string) *wire.OriginSet {
	return s.items[KindOriginSet][id].Entity.GetOriginSet()
}

// DeckMapping finds a mapping of columns by its id; nil if there is none.
func (s *State) DeckMapping(id string) *wire.DeckMapping {
	return s.items[KindDeckMapping][id].Entity.GetDeckMapping()
}

// MappingOf is the mapping of a company that has exactly one; nil if it has none
// or several.
func (s *State) MappingOf(company string) *wire.DeckMapping {
	var found *wire.DeckMapping
	for _, it := range s.items[KindDeckMapping] {
		m := it.Entity.GetDeckMapping()
		if company == "" || m.Company != company {
			continue
		}
		if found != nil {
			return nil
		}
		found = m
	}
	return found
}

// Exchange is the rate from one currency to another in force at an instant; nil
// if there is none. Rates are not turned round nor chained: what is not declared
// is not known.
func (s *State) Exchange(base, quote string, us int64) *wire.ExchangeRate {
	var best *wire.ExchangeRate
	for _, r := range s.rates[pair{base, quote}] {
		if r.EffectiveFromUs > us {
			break
		}
		best = r
	}
	return best
}

// Quotes are the currencies that a currency has a rate to, by name.
func (s *State) Quotes(base string) []string {
	var out []string
	for p := range s.rates {
		if p.base == base {
			out = append(out, p.quote)
		}
	}
	slices.Sort(out)
	return out
}

// Exchanges are all rates of two currencies by rising time.
func (s *State) Exchanges(base, quote string) []*wire.ExchangeRate { return s.rates[pair{base, quote}] }

func (s *State) indexRate(r *wire.ExchangeRate, removed bool) {
	p := pair{r.Base, r.Quote}
	list := slices.DeleteFunc(slices.Clone(s.rates[p]), func(x *wire.ExchangeRate) bool { return x.Id == r.Id })
	if !removed {
		list = append(list, r)
		slices.SortFunc(list, func(a, b *wire.ExchangeRate) int {
			return int(min(1, max(-1, a.EffectiveFromUs-b.EffectiveFromUs)))
		})
	}
	s.rates[p] = list
}

func validateBands(d *wire.Deck) error {
	if len(d.Bands) > maxBands {
		return events.Invalid("a deck has at most %d bands", maxBands)
	}
	if d.NoticeDays > maxNotice {
		return events.Invalid("the notice is longer than %d days", maxNotice)
	}
	for i, b := range d.Bands {
		if err := CheckID(b.Name); err != nil {
			return events.Invalid("bands.%d: %v", i, err)
		}
		if len(b.Hours) == 0 {
			return events.Invalid("bands.%d: the band %s has no hours", i, b.Name)
		}
		for _, h := range b.Hours {
			if h.FromMinute >= weekMinutes || h.ToMinute > weekMinutes || h.FromMinute == h.ToMinute {
				return events.Invalid("bands.%d: hours are minutes of the week, from 0 to %d", i, weekMinutes)
			}
		}
		if slices.ContainsFunc(d.Bands[:i], func(o *wire.Band) bool { return o.Name == b.Name }) {
			return events.Invalid("bands.%d: the band %s stands twice", i, b.Name)
		}
	}
	return nil
}

func validateOrigins(o *wire.OriginSet) error {
	if len(o.CallerPrefixes) == 0 || len(o.CallerPrefixes) > maxOrigins {
		return events.Invalid("an origin set has 1 to %d prefixes", maxOrigins)
	}
	for i, p := range o.CallerPrefixes {
		if err := number.CheckPrefix(p); err != nil {
			return events.Invalid("caller_prefixes.%d: %v", i, err)
		}
	}
	return checkName(o.Name)
}

func validateExchange(r *wire.ExchangeRate) error {
	for _, c := range []string{r.Base, r.Quote} {
		if err := checkMoney(c); err != nil {
			return err
		}
	}
	switch {
	case r.Base == r.Quote:
		return events.Invalid("an exchange needs two currencies")
	case r.RateE12 <= 0:
		return events.Invalid("an exchange rate is above 0")
	case r.EffectiveFromUs <= 0:
		return events.Invalid("the instant from which the rate is in force is missing")
	case r.Id != ExchangeID(r.Base, r.Quote, r.EffectiveFromUs):
		return events.Invalid("the id must be %q", ExchangeID(r.Base, r.Quote, r.EffectiveFromUs))
	}
	return nil
}

func validateMapping(m *wire.DeckMapping) error {
	if len(m.Columns) > maxColumns {
		return events.Invalid("a mapping names at most %d columns", maxColumns)
	}
	for theirs, ours := range m.Columns {
		if theirs == "" || len(theirs) > maxName || theirs != strings.ToLower(theirs) {
			return events.Invalid("the column %.40q is not in 1 to %d small letters", theirs, maxName)
		}
		if ours != "" && !rating.KnownColumn(ours) {
			return events.Invalid("the column %.40q is mapped to %.40q, which is none of %s", theirs, ours, strings.Join(rating.ImportColumns(), ", "))
		}
	}
	if len(m.DateLayout) > maxName {
		return events.Invalid("the layout of dates is too long")
	}
	some := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	if back, err := time.Parse(m.DateLayout, some.Format(m.DateLayout)); m.DateLayout != "" && (err != nil || !back.Equal(some)) {
		return events.Invalid("the layout of dates %.40q does not say how 2 January 2006 is written, as 02.01.2006 does", m.DateLayout)
	}
	return checkName(m.Name)
}

// checkCurrencies refuses a peer whose deck is in another currency than his
// account where no rate between the two was ever declared.
func (s *State) checkCurrencies(ref Ref, a *wire.Account, d *wire.Deck) *events.Error {
	if a.Currency == d.Currency || len(s.rates[pair{d.Currency, a.Currency}]) > 0 {
		return nil
	}
	return events.Invalid("%s: account %s is in %s, deck %s in %s; declare an exchange rate from %s to %s first",
		ref, a.Id, a.Currency, d.Id, d.Currency, d.Currency, a.Currency)
}

// checkDeck refuses a deck that lost a band which its newest version has rows for.
func (s *State) checkDeck(d *wire.Deck) *events.Error {
	if list := s.versions[d.Id]; len(list) > 0 {
		return s.checkVersionLinks(list[len(list)-1])
	}
	return nil
}

// checkVersionLinks refuses a version with rows for a band that its deck lacks.
func (s *State) checkVersionLinks(v *wire.DeckVersion) *events.Error {
	d := s.Deck(v.Deck)
	for _, name := range v.Bands {
		if !slices.ContainsFunc(d.GetBands(), func(b *wire.Band) bool { return b.Name == name }) {
			return events.Invalid("deck %s has no band %s, which rows of version %d name", v.Deck, name, v.Number)
		}
	}
	return nil
}
