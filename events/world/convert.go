package world

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/wire"
)

// all goes through the document in the order in which things need each other.
func (e *edit) all(doc *document) error {
	if s := doc.Settings; s != nil {
		if err := e.settings(s); err != nil {
			return fmt.Errorf("settings: %w", err)
		}
	}
	steps := []func(*document) error{
		each("companies", func(d *document) []company { return d.Companies }, func(c company) string { return c.ID }, e.company),
		each("origin_sets", func(d *document) []originSet { return d.OriginSets }, func(o originSet) string { return o.ID }, e.originSet),
		each("exchange_rates", func(d *document) []exchangeRate { return d.ExchangeRates }, func(r exchangeRate) string { return r.From + "-" + r.To }, e.exchangeRate),
		each("deck_mappings", func(d *document) []deckMapping { return d.DeckMappings }, func(m deckMapping) string { return m.ID }, e.deckMapping),
		each("decks", func(d *document) []deck { return d.Decks }, func(d deck) string { return d.ID }, e.deck),
		each("number_lists", func(d *document) []numberList { return d.NumberLists }, func(l numberList) string { return l.ID }, e.numberList),
		each("terminators", func(d *document) []terminator { return d.Terminators }, func(t terminator) string { return t.ID }, e.terminator),
		each("route_plans", func(d *document) []routePlan { return d.RoutePlans }, func(p routePlan) string { return p.ID }, e.routePlan),
		each("originators", func(d *document) []originator { return d.Originators }, func(o originator) string { return o.ID }, e.originator),
		each("subscribers", func(d *document) []subscriber { return d.Subscribers }, func(s subscriber) string { return s.ID }, e.subscriber),
		each("dids", func(d *document) []did { return d.Dids }, func(n did) string { return n.Number }, e.did),
		each("registrations", func(d *document) []registration { return d.Registrations }, func(r registration) string { return r.ID }, e.registration),
		each("guard_rules", func(d *document) []guardRule { return d.GuardRules }, func(g guardRule) string { return g.ID }, e.guardRule),
		each("evidence_rules", func(d *document) []evidenceRule { return d.EvidenceRules }, func(r evidenceRule) string { return r.ID }, e.evidenceRule),
		each("cdr_profiles", func(d *document) []cdrProfile { return d.CdrProfiles }, func(p cdrProfile) string { return p.ID }, e.cdrProfile),
		each("webhooks", func(d *document) []webhook { return d.Webhooks }, func(w webhook) string { return w.ID }, e.webhook),
		each("users", func(d *document) []user { return d.Users }, func(u user) string { return u.ID }, e.user),
		each("remove", func(d *document) []removal { return d.Remove }, func(r removal) string { return r.ID }, e.removal),
	}
	for _, step := range steps {
		if err := step(doc); err != nil {
			return err
		}
	}
	return nil
}

// each converts a list and puts the place before an error.
func each[T any](name string, list func(*document) []T, id func(T) string, convert func(T) error) func(*document) error {
	return func(doc *document) error {
		for i, t := range list(doc) {
			if err := convert(t); err != nil {
				return fmt.Errorf("%s[%d] %q: %w", name, i, id(t), err)
			}
		}
		return nil
	}
}

func (e *edit) settings(s *settings) error {
	max, err := seconds("max_duration", s.MaxDuration)
	if err != nil {
		return err
	}
	api, err := e.access(s.API)
	if err != nil {
		return fmt.Errorf("api: %w", err)
	}
	e.put(&wire.Settings{
		ApiPointsPerMinute: api.ApiPointsPerMinute, ApiPersistedOnly: api.ApiPersistedOnly, SecondFactorRoles: api.SecondFactorRoles,
		Id: "settings", BaseCurrency: s.BaseCurrency, MaxDurationS: max, HuntStopCodes: s.HuntStopCodes,
		DigestAlgorithms: s.DigestAlgorithms, Realm: cmp.Or(s.Realm, e.cat.Settings().Realm),
		EmergencyNumbers:  stays(s.EmergencyNumbers, e.cat.Settings().EmergencyNumbers),
		EmergencyPrefixes: stays(s.EmergencyPrefixes, e.cat.Settings().EmergencyPrefixes),
		Secrets:           e.cat.Settings().Secrets,
		NodePlaces:        e.cat.Settings().NodePlaces,
		RemovedNodes:      e.cat.Settings().RemovedNodes, // what was done to nodes is no part of a document
	})
	return nil
}

func (e *edit) deck(d deck) error {
	rounding, err := choice("rounding", d.Rounding, map[string]wire.RoundingMode{
		"": wire.RoundingMode_ROUNDING_MODE_HALF_UP, "half-up": wire.RoundingMode_ROUNDING_MODE_HALF_UP,
		"up": wire.RoundingMode_ROUNDING_MODE_UP, "down": wire.RoundingMode_ROUNDING_MODE_DOWN,
		"half-even": wire.RoundingMode_ROUNDING_MODE_HALF_EVEN,
	})
	if err != nil {
		return err
	}
	decimals := uint32(6)
	if d.Decimals != nil {
		decimals = *d.Decimals
	}
	percent := d.TaxPercent
	if percent == "" {
		percent = "0"
	}
	tax, err := money.ParseAmount(percent) // a percentage with its micro-units is ppm times 100
	if err != nil || tax < 0 || tax%100 != 0 || tax > 100*money.MicroPerUnit {
		return events.Invalid("tax_percent %q is not a number from 0 to 100 with at most four decimals", d.TaxPercent)
	}
	bands, err := bandsOf(d.Bands)
	if err != nil {
		return err
	}
	e.put(&wire.Deck{
		TimeZone: d.TimeZone, Bands: bands, BandsSplit: d.Split, NoticeDays: d.NoticeDays,
		Id: d.ID, Name: d.Name, Company: d.Company, Currency: d.Currency, Rounding: rounding,
		Decimals: decimals, TaxPpm: uint32(tax / 100), TaxInclusive: d.TaxInclusive,
	})
	return e.version(d.ID, &d)
}

func (e *edit) terminator(t terminator) error {
	pdd, err := millis("pdd_timeout", t.PDDTimeout)
	if err != nil {
		return err
	}
	ring, err := millis("ring_timeout", t.RingTimeout)
	if err != nil {
		return err
	}
	rewrites, lists, err := t.Sieve.convert()
	if err != nil {
		return err
	}
	ping, err := t.Ping.convert()
	if err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	policy, err := t.Sip.convert()
	if err != nil {
		return err
	}
	var secret []byte
	if t.AuthUser != "" {
		if secret, err = e.secret("terminator "+t.ID, e.cat.Terminator(t.ID).GetAuthSecret(), t.AuthPassword); err != nil {
			return fmt.Errorf("auth_password: %w", err)
		}
	}
	told := e.cat.Terminator(t.ID)
	e.put(&wire.Terminator{
		Id: t.ID, Company: t.Company, Account: t.Account, BuyDeck: t.BuyDeck, Host: t.Host, Port: t.Port,
		Transport: t.Transport, TechPrefix: t.TechPrefix, Channels: t.Channels,
		PddTimeoutMs: pdd, RingTimeoutMs: ring, Disabled: t.Disabled,
		AuthUser: t.AuthUser, AuthSecret: secret, CallsPerSecond: t.CallsPerSecond, Rewrites: rewrites, Lists: lists,
		Listener: t.Listener, Ping: ping, Sip: policy, Nodes: t.Nodes, NodesFailover: t.NodesFailover,
		SheetTold: told.GetSheetTold(), SheetToldUs: told.GetSheetToldUs(),
	})
	return nil
}

// secret wraps an entity's password. One that has not changed, or that the document
// leaves out, stays as it is wrapped, so that applying twice changes nothing.
func (e *edit) secret(name string, old []byte, password string) ([]byte, error) {
	if len(old) > 0 {
		if plain, err := e.sec.Unwrap(name, old); err == nil && (password == "" || string(plain) == password) {
			return old, nil
		}
	}
	return e.sec.Wrap(name, []byte(password))
}

func (e *edit) originator(o originator) error {
	profit, err := choice("profit", o.Profit, map[string]wire.ProfitMode{
		"": wire.ProfitMode_PROFIT_MODE_PROFIT_ONLY, "only": wire.ProfitMode_PROFIT_MODE_PROFIT_ONLY,
		"no-losses": wire.ProfitMode_PROFIT_MODE_NO_LOSSES, "allow-losses": wire.ProfitMode_PROFIT_MODE_ALLOW_LOSSES,
	})
	if err != nil {
		return err
	}
	rewrites, lists, err := o.Sieve.convert()
	if err != nil {
		return err
	}
	share, err := percent("minimum_margin_percent", o.MinimumMarginPercent)
	if err != nil {
		return err
	}
	margin := money.Rate(0)
	if o.MinimumMargin != "" {
		if margin, err = money.ParseRate(o.MinimumMargin); err != nil {
			return fmt.Errorf("minimum_margin: %w", err)
		}
	}
	policy, err := o.Sip.convert()
	if err != nil {
		return err
	}
	max, err := seconds("max_duration", o.MaxDuration)
	if err != nil {
		return err
	}
	secret, err := e.originatorSecret(o)
	if err != nil {
		return fmt.Errorf("auth_password: %w", err)
	}
	told := e.cat.Originator(o.ID) // what a peer was told is no part of a document
	e.put(&wire.Originator{
		AuthUser: o.AuthUser, AuthSecret: secret,
		Id: o.ID, Company: o.Company, Account: o.Account, SellDeck: o.SellDeck, RoutePlan: o.RoutePlan,
		Networks: o.Networks, Port: o.Port, TechPrefix: o.TechPrefix, Channels: o.Channels,
		CallsPerSecond: o.CallsPerSecond, ProfitMode: profit, MinimumMarginNano: int64(margin),
		MaxDurationS: max, Disabled: o.Disabled, MinimumMarginPpm: share,
		Rewrites: rewrites, Lists: lists, PrefixLimits: limits(o.PrefixLimits),
		Listener: o.Listener, Certificate: o.Certificate, Sip: policy, Nodes: o.Nodes, NodesFailover: o.NodesFailover,
		Redirect: o.Redirect, SheetTold: told.GetSheetTold(), SheetToldUs: told.GetSheetToldUs(),
	})
	return nil
}

func (e *edit) user(u user) error {
	role, err := roleOf(u.Role)
	if err != nil {
		return err
	}
	hash, err := e.password(u)
	if err != nil {
		return fmt.Errorf("password: %w", err)
	}
	e.put(&wire.User{
		Id: u.ID, Name: u.Name, Role: role, Company: u.Company, Password: hash, Disabled: u.Disabled,
		SecondFactor: e.cat.User(u.ID).GetSecondFactor(), // it is the person's own, and no part of a document
	})
	return nil
}

// password is the hash that a user has or shall have. One that matches stays, so
// that applying twice changes nothing.
func (e *edit) password(u user) (string, error) {
	if old := e.cat.User(u.ID); old != nil && (u.Password == "" || e.pw.Matches(old.Password, u.Password)) {
		return old.Password, nil
	}
	return e.pw.Hash(u.Password)
}

func (e *edit) removal(r removal) error {
	for _, k := range catalog.Kinds() {
		if string(k) == strings.ReplaceAll(r.Kind, "_", " ") {
			return e.remove(k, r.ID)
		}
	}
	return events.Invalid("kind %q is unknown: company, deck, number_list, terminator, route_plan, route, originator, registration, subscriber, did, guard_rule, evidence_rule, cdr_profile, user or token", r.Kind)
}

func choice[T any](key, value string, of map[string]T) (T, error) {
	if v, ok := of[value]; ok {
		return v, nil
	}
	var known []string
	for k := range of {
		if k != "" {
			known = append(known, k)
		}
	}
	var zero T
	return zero, events.Invalid("%s %q is not one of %s", key, value, strings.Join(slices.Sorted(slices.Values(known)), ", "))
}

func amount(key, value string) (money.Amount, error) {
	if value == "" {
		return 0, nil
	}
	a, err := money.ParseAmount(value)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", key, err)
	}
	return a, nil
}

func millis(key, value string) (uint32, error) {
	if value == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 || d > 31*24*time.Hour {
		return 0, events.Invalid("%s %q is not a duration such as 8s or 90m", key, value)
	}
	return uint32(d.Milliseconds()), nil
}

func seconds(key, value string) (uint32, error) {
	ms, err := millis(key, value)
	return ms / 1000, err
}
