package resolve

import (
	"cmp"
	"encoding/hex"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/model"
)

// The functions of this file show catalog entities as the API names them.

func amount(micro int64, currency string) model.Money {
	return model.Money{Amount: model.Micro(micro), Currency: currency}
}

func company(it catalog.Item) *model.Company {
	c := it.Entity.GetCompany()
	zone := c.TimeZone
	if zone == "" {
		zone = "UTC"
	}
	return &model.Company{
		ID: model.ID(catalog.KindCompany, c.Id), Key: c.Id, Name: c.Name, TimeZone: zone,
		Disabled: c.Disabled, Version: it.Version,
	}
}

func account(it catalog.Item) *model.Account {
	a := it.Entity.GetAccount()
	t := a.GetAlerts()
	optional := func(micro *int64) *model.Money {
		if micro == nil {
			return nil
		}
		m := amount(*micro, a.Currency)
		return &m
	}
	var low, high *int64
	if t != nil {
		low, high = t.LowMicro, t.HighMicro
	}
	return &model.Account{
		LowBalance: optional(low), HighBalance: optional(high), AlertDistance: amount(t.GetRearmMicro(), a.Currency),
		ForecastMinutes: int(t.GetForecastMinutes()), CutOff: a.CutOff,
		PackageID: model.OptionalID(catalog.KindAccount, a.Package), PackagePrefixes: append([]string{}, a.PackagePrefixes...),
		ID: model.ID(catalog.KindAccount, a.Id), Key: a.Id, Name: a.Name, Currency: a.Currency,
		Kind: model.AccountKindOf(a.Kind), CreditLimit: amount(a.CreditLimitMicro, a.Currency),
		Channels: int(a.Channels), CallsPerSecond: int(a.CallsPerSecond), Disabled: a.Disabled,
		Version: it.Version, CompanyKey: a.Company,
	}
}

func originator(it catalog.Item) *model.Originator {
	o := it.Entity.GetOriginator()
	return &model.Originator{
		ID: model.ID(catalog.KindOriginator, o.Id), Key: o.Id, Networks: append([]string{}, o.Networks...),
		AuthUser: o.AuthUser,
		Port:     int(o.Port), TechPrefix: o.TechPrefix, Channels: int(o.Channels), CallsPerSecond: int(o.CallsPerSecond),
		ProfitMode: model.ProfitModeOf(o.ProfitMode), MinimumMargin: model.Nano(o.MinimumMarginNano),
		MaxDuration: time.Duration(o.MaxDurationS) * time.Second, Disabled: o.Disabled, Version: it.Version,
		MinimumMarginShare: model.Micro(int64(o.MinimumMarginPpm)), Rewrites: rewrites(o.Rewrites),
		Lists: listUses(o.Lists), PrefixLimits: showLimits(o.PrefixLimits), Listener: o.Listener, Certificate: o.Certificate,
		Nodes: append([]string{}, o.Nodes...), NodesFailover: o.NodesFailover, Redirect: o.Redirect,
		CompanyKey: o.Company, AccountKey: o.Account, DeckKey: o.SellDeck, PlanKey: o.RoutePlan, Sip: sipPolicy(o.Sip),
	}
}

func terminator(it catalog.Item) *model.Terminator {
	t := it.Entity.GetTerminator()
	transport := t.Transport
	if transport == "" {
		transport = "udp"
	}
	return &model.Terminator{
		ID: model.ID(catalog.KindTerminator, t.Id), Key: t.Id, Host: t.Host, Port: int(t.Port), Transport: transport,
		TechPrefix: t.TechPrefix, Channels: int(t.Channels), PddTimeout: time.Duration(t.PddTimeoutMs) * time.Millisecond,
		RingTimeout: time.Duration(t.RingTimeoutMs) * time.Millisecond, Disabled: t.Disabled, Version: it.Version,
		CallsPerSecond: int(t.CallsPerSecond), Rewrites: rewrites(t.Rewrites), Lists: listUses(t.Lists), AuthUser: t.AuthUser,
		Listener: t.Listener, Ping: showPing(t.Ping), Nodes: append([]string{}, t.Nodes...), NodesFailover: t.NodesFailover,
		CompanyKey: t.Company, AccountKey: t.Account, DeckKey: t.BuyDeck, Sip: sipPolicy(t.Sip),
	}
}

func deck(it catalog.Item) *model.Deck {
	d := it.Entity.GetDeck()
	return &model.Deck{
		ID: model.ID(catalog.KindDeck, d.Id), Key: d.Id, Name: d.Name, Currency: d.Currency,
		Rounding: model.RoundingModeOf(d.Rounding), Decimals: int(d.Decimals), TaxRate: model.Micro(int64(d.TaxPpm)),
		TaxInclusive: d.TaxInclusive, Version: it.Version, CompanyKey: d.Company,
		TimeZone: cmp.Or(d.TimeZone, "UTC"), BandsSplit: d.BandsSplit, NoticeDays: int(d.NoticeDays),
		Bands: each(d.Bands, func(b *wire.Band) *model.Band { return &model.Band{Name: b.Name, Hours: showHours(b.Hours)} }),
	}
}

func deckVersion(it catalog.Item) *model.DeckVersion {
	v := it.Entity.GetDeckVersion()
	return &model.DeckVersion{
		ID: model.ID(catalog.KindDeckVersion, v.Id), Number: int(v.Number), EffectiveFrom: events.Instant(v.EffectiveFromUs),
		RowCount: int(v.Rows), Digest: hex.EncodeToString(v.Digest), Source: v.Source, Version: it.Version, DeckKey: v.Deck,
	}
}

// numbered is a deck's row with its place in the version, from 1.
type numbered struct {
	rating.Row
	number int
}

func rate(n numbered) *model.Rate {
	return &model.Rate{
		Row: n.number, Prefix: n.Prefix, Destination: n.Destination,
		PriceFirst: model.Nano(int64(n.PriceFirst)), PriceNext: model.Nano(int64(n.PriceNext)),
		IntervalFirst: int(n.IntervalFirst), IntervalNext: int(n.IntervalNext), FreeSeconds: int(n.Free),
		ConnectFee: model.Micro(int64(n.ConnectFee)), AttemptFee: model.Micro(int64(n.AttemptFee)),
		Minimum: model.Micro(int64(n.Minimum)), Blocked: n.Blocked, Origin: n.Origin, Band: n.Band,
		MinLength: int(n.MinLength), MaxLength: int(n.MaxLength), ExternalID: n.ExternalID,
	}
}

func routePlan(it catalog.Item) *model.RoutePlan {
	p := it.Entity.GetRoutePlan()
	return &model.RoutePlan{ID: model.ID(catalog.KindRoutePlan, p.Id), Key: p.Id, Name: p.Name, Version: it.Version,
		Order: showOrder(p.Order), HuntRules: showHunt(p.HuntRules)}
}

func route(it catalog.Item) *model.Route {
	rt := it.Entity.GetRoute()
	return &model.Route{
		ID: model.ID(catalog.KindRoute, rt.Id), Prefix: rt.Prefix, Priority: int(rt.Priority), Weight: int(rt.Weight),
		CallerPrefixes: append([]string{}, rt.CallerPrefixes...), Hours: showHours(rt.Hours), TimeZone: rt.TimeZone,
		PddTimeout: time.Duration(rt.PddTimeoutMs) * time.Millisecond, RingTimeout: time.Duration(rt.RingTimeoutMs) * time.Millisecond,
		Disabled: rt.Disabled, Version: it.Version, PlanKey: rt.Plan, TerminatorKey: rt.Terminator,
	}
}

func user(it catalog.Item) *model.User {
	u := it.Entity.GetUser()
	return &model.User{
		ID: model.ID(catalog.KindUser, u.Id), Key: u.Id, Name: u.Name, Role: model.RoleOf(u.Role),
		Disabled: u.Disabled, Version: it.Version, CompanyKey: u.Company,
		SecondFactorOn: auth.HasSecondFactor(u),
	}
}

func (r *Resolver) token(it catalog.Item) *model.Token {
	t := it.Entity.GetToken()
	out := &model.Token{
		ID: model.ID(catalog.KindToken, t.Id), Key: t.Id, Name: t.Name, Role: model.RoleOf(t.Role),
		Revoked: t.Revoked, Version: it.Version, CompanyKey: t.Company,
		Scopes: each(t.Scopes, model.TokenScopeOf), Networks: append([]string{}, t.Networks...), PointsPerMinute: int(t.PointsPerMinute),
	}
	if at, from, ok := r.Door.LastUse(t.Id); ok {
		out.LastUsedAt, out.LastUsedFrom = &at, &from
	}
	if t.ExpiresAtUs != 0 {
		at := events.Instant(t.ExpiresAtUs)
		out.ExpiresAt = &at
	}
	return out
}
