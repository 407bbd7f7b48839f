package world

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/wire"
)

// guardRule looks out for calls that may be fraud.
type guardRule struct {
	ID             string   `yaml:"id"`
	Name           string   `yaml:"name"`
	Disabled       bool     `yaml:"disabled"`
	Accounts       []string `yaml:"accounts"`
	ExceptAccounts []string `yaml:"except_accounts"`
	Prefixes       []string `yaml:"prefixes"`
	// PriceFrom is what a minute is sold for at least, in Currency.
	PriceFrom string   `yaml:"price_from"`
	Currency  string   `yaml:"currency"`
	Hours     []string `yaml:"hours"`
	TimeZone  string   `yaml:"time_zone"`
	// Measure is every-call, calls-to-number, calls-to-destination,
	// spend-on-destination or new-destination; Window, Block are 90s, 2h or 30d.
	Measure string `yaml:"measure"`
	Window  string `yaml:"window"`
	Calls   uint32 `yaml:"calls"`
	Amount  string `yaml:"amount"`
	Action  string `yaml:"action"`
	Block   string `yaml:"block"`
}

func (e *edit) guardRule(g guardRule) error {
	out := &wire.GuardRule{
		Id: g.ID, Name: g.Name, Disabled: g.Disabled, Accounts: g.Accounts, ExceptAccounts: g.ExceptAccounts,
		Prefixes: g.Prefixes, Currency: g.Currency, TimeZone: g.TimeZone, Calls: g.Calls,
	}
	var err error
	if out.Measure, err = choice("measure", g.Measure, map[string]wire.GuardMeasure{
		"every-call":           wire.GuardMeasure_GUARD_MEASURE_EVERY_CALL,
		"calls-to-number":      wire.GuardMeasure_GUARD_MEASURE_CALLS_TO_NUMBER,
		"calls-to-destination": wire.GuardMeasure_GUARD_MEASURE_CALLS_TO_DESTINATION,
		"spend-on-destination": wire.GuardMeasure_GUARD_MEASURE_SPEND_ON_DESTINATION,
		"new-destination":      wire.GuardMeasure_GUARD_MEASURE_NEW_DESTINATION,
	}); err != nil {
		return err
	}
	if out.Action, err = choice("action", g.Action, map[string]wire.GuardAction{
		"alert": wire.GuardAction_GUARD_ACTION_ALERT, "block": wire.GuardAction_GUARD_ACTION_BLOCK,
	}); err != nil {
		return err
	}
	if g.PriceFrom != "" {
		price, err := money.ParseRate(g.PriceFrom)
		if err != nil {
			return fmt.Errorf("price_from: %w", err)
		}
		out.PriceFromNano = int64(price)
	}
	spend, err := amount("amount", g.Amount)
	if err != nil {
		return err
	}
	out.AmountMicro = int64(spend)
	if out.WindowS, err = longSeconds("window", g.Window); err != nil {
		return err
	}
	if out.BlockS, err = longSeconds("block", g.Block); err != nil {
		return err
	}
	if out.Hours, err = hoursOf(g.Hours, g.TimeZone); err != nil {
		return err
	}
	e.put(out)
	return nil
}

// hoursOf reads spans of the week and checks that their time zone is one.
func hoursOf(spans []string, zone string) ([]*wire.Hours, error) {
	if zone != "" {
		if _, err := time.LoadLocation(zone); err != nil {
			return nil, events.Invalid("time_zone %q is not an IANA name such as Europe/Berlin", zone)
		}
	}
	var out []*wire.Hours
	for i, text := range spans {
		parsed, err := ParseHours(text)
		if err != nil {
			return nil, fmt.Errorf("hours[%d]: %w", i, err)
		}
		out = append(out, parsed...)
	}
	return out, nil
}

// longSeconds reads a length of time that may be written in days, at most a hundred.
func longSeconds(key, value string) (uint32, error) {
	if value == "" {
		return 0, nil
	}
	const most = 100 * 24 * time.Hour
	if days, has := strings.CutSuffix(value, "d"); has {
		if n, err := strconv.ParseUint(days, 10, 8); err == nil && n <= 100 {
			return uint32(n) * 86_400, nil
		}
	}
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 || d > most || d%time.Second != 0 {
		return 0, events.Invalid("%s %q is not a length of time in whole seconds such as 90s, 2h or 30d", key, value)
	}
	return uint32(d / time.Second), nil
}
