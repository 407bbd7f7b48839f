package world

import (
	"fmt"
	"strings"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
)

// originSet is a set of callers that rows of decks may name.
type originSet struct {
	ID             string   `yaml:"id"`
	Name           string   `yaml:"name"`
	CallerPrefixes []string `yaml:"caller_prefixes"`
}

// exchangeRate is what a unit of From is worth in To, from an instant on.
type exchangeRate struct {
	From          string `yaml:"from"`
	To            string `yaml:"to"`
	Rate          string `yaml:"rate"`
	EffectiveFrom string `yaml:"effective_from"`
}

// deckMapping says how a partner names the columns of his price lists.
type deckMapping struct {
	ID           string            `yaml:"id"`
	Name         string            `yaml:"name"`
	Company      string            `yaml:"company"`
	Columns      map[string]string `yaml:"columns"`
	DateLayout   string            `yaml:"date_layout"`
	DecimalComma bool              `yaml:"decimal_comma"`
}

// band is a named time of the week, its hours written as a route's are.
type band struct {
	Name  string   `yaml:"name"`
	Hours []string `yaml:"hours"`
}

func (e *edit) originSet(o originSet) error {
	out := &wire.OriginSet{Id: o.ID, Name: o.Name}
	for _, p := range o.CallerPrefixes {
		out.CallerPrefixes = append(out.CallerPrefixes, strings.TrimPrefix(p, "+"))
	}
	e.put(out)
	return nil
}

func (e *edit) exchangeRate(r exchangeRate) error {
	rate, err := catalog.ParseExchange(r.Rate)
	if err != nil {
		return fmt.Errorf("rate: %w", err)
	}
	at, err := time.Parse(time.RFC3339, r.EffectiveFrom)
	if err != nil {
		return events.Invalid("effective_from %q is not a time such as 2026-12-01T00:00:00Z", r.EffectiveFrom)
	}
	e.put(&wire.ExchangeRate{
		Id: catalog.ExchangeID(r.From, r.To, at.UnixMicro()), Base: r.From, Quote: r.To, RateE12: rate, EffectiveFromUs: at.UnixMicro(),
	})
	return nil
}

func (e *edit) deckMapping(m deckMapping) error {
	out := &wire.DeckMapping{
		Id: m.ID, Name: m.Name, Company: m.Company, DateLayout: m.DateLayout, DecimalComma: m.DecimalComma, Columns: map[string]string{},
	}
	for theirs, ours := range m.Columns {
		out.Columns[strings.ToLower(theirs)] = ours
	}
	e.put(out)
	return nil
}

func bandsOf(list []band) ([]*wire.Band, error) {
	var out []*wire.Band
	for i, b := range list {
		band := &wire.Band{Name: b.Name}
		for _, text := range b.Hours {
			spans, err := ParseHours(text)
			if err != nil {
				return nil, fmt.Errorf("bands[%d]: %w", i, err)
			}
			band.Hours = append(band.Hours, spans...)
		}
		out = append(out, band)
	}
	return out, nil
}
