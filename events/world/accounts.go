package world

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// stays is a list of the document, or the one there is where the document has no
// such key: an empty list takes all away.
func stays[T any](stated, old []T) []T {
	switch {
	case stated == nil:
		return old
	case len(stated) == 0:
		return nil
	}
	return stated
}

// or is a value of the document, or the one there is.
func or[T any](stated *T, old T) T {
	if stated != nil {
		return *stated
	}
	return old
}

func (e *edit) company(c company) error {
	if c.TimeZone != "" {
		if _, err := time.LoadLocation(c.TimeZone); err != nil {
			return events.Invalid("time_zone %q is not an IANA name such as Europe/Berlin", c.TimeZone)
		}
	}
	limits, err := mutualLimits(c.MutualLimits)
	if err != nil {
		return err
	}
	e.put(&wire.Company{
		Id: c.ID, Name: c.Name, TimeZone: c.TimeZone, Disabled: c.Disabled,
		MutualLimits: stays(limits, e.cat.Company(c.ID).GetMutualLimits()),
	})
	for i, a := range c.Accounts {
		if err := e.account(c.ID, a); err != nil {
			return fmt.Errorf("accounts[%d] %q: %w", i, a.ID, err)
		}
	}
	return nil
}

// mutualLimits are nil where the document has none, by currency otherwise.
func mutualLimits(stated map[string]string) ([]*wire.MutualLimit, error) {
	if stated == nil {
		return nil, nil
	}
	limits := []*wire.MutualLimit{}
	for _, currency := range slices.Sorted(maps.Keys(stated)) {
		limit, err := amount("mutual_limits."+currency, stated[currency])
		if err != nil {
			return nil, err
		}
		limits = append(limits, &wire.MutualLimit{Currency: currency, LimitMicro: int64(limit)})
	}
	return limits, nil
}

func (e *edit) account(company string, a account) error {
	kind, err := choice("kind", a.Kind, map[string]wire.AccountKind{
		"customer": wire.AccountKind_ACCOUNT_KIND_CUSTOMER, "vendor": wire.AccountKind_ACCOUNT_KIND_VENDOR,
	})
	if err != nil {
		return err
	}
	limit, err := amount("credit_limit", a.CreditLimit)
	if err != nil {
		return err
	}
	old := e.cat.Account(a.ID) // what is not in the document is finance's, and kept
	calls, micro := old.GetOfflineCalls(), old.GetOfflineMicro()
	if a.Offline != nil {
		allowed, err := amount("offline.amount", a.Offline.Amount)
		if err != nil {
			return err
		}
		calls, micro = a.Offline.Calls, int64(allowed)
	}
	told := old.GetAlerts()
	if a.Alerts != nil {
		if told, err = a.Alerts.convert(); err != nil {
			return fmt.Errorf("alerts: %w", err)
		}
	}
	e.put(&wire.Account{
		Alerts: told, OfflineCalls: calls, OfflineMicro: micro,
		Id: a.ID, Company: company, Name: a.Name, Currency: a.Currency, Kind: kind, CreditLimitMicro: int64(limit),
		Channels: a.Channels, CallsPerSecond: a.CallsPerSecond, Disabled: a.Disabled,
		CutOff: or(a.CutOff, old.GetCutOff()), Package: or(a.Package, old.GetPackage()),
		PackagePrefixes: stays(a.PackagePrefixes, old.GetPackagePrefixes()),
	})
	return nil
}

// convert gives nil for alerts that tell nothing.
func (a *alerts) convert() (*wire.AccountAlerts, error) {
	out := &wire.AccountAlerts{ForecastMinutes: a.ForecastMinutes}
	threshold := func(key string, text *string) (*int64, error) {
		if text == nil {
			return nil, nil
		}
		at, err := amount(key, *text)
		micro := int64(at)
		return &micro, err
	}
	var err error
	if out.LowMicro, err = threshold("low", a.Low); err != nil {
		return nil, err
	}
	if out.HighMicro, err = threshold("high", a.High); err != nil {
		return nil, err
	}
	distance, err := amount("distance", a.Distance)
	if out.RearmMicro = int64(distance); err != nil || proto.Size(out) == 0 {
		return nil, err
	}
	return out, nil
}
