// Package catalog is the configuration half of the book's state: companies,
// accounts, peers, decks, routes, users. A State never changes once made: an
// edit makes another one that shares what was not touched, so a reader needs no
// lock and an older state stays whole.
package catalog

import (
	"maps"
	"slices"
	"strings"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// Kind names a sort of entity.
type Kind string

// The kinds, in the order in which a world is declared: each refers only to
// those before it.
const (
	KindSettings    Kind = "settings"
	KindCompany     Kind = "company"
	KindAccount     Kind = "account"
	KindDeck        Kind = "deck"
	KindDeckVersion Kind = "deck version"
	KindTerminator  Kind = "terminator"
	KindRoutePlan   Kind = "route plan"
	KindRoute       Kind = "route"
	KindOriginator  Kind = "originator"
	KindUser        Kind = "user"
	KindToken       Kind = "token"
	KindNumberList  Kind = "number list"

	KindOriginSet    Kind = "origin set"
	KindExchangeRate Kind = "exchange rate"
	KindDeckMapping  Kind = "deck mapping"

	KindSubscriber   Kind = "subscriber"
	KindDid          Kind = "did"
	KindRegistration Kind = "registration"

	KindGuardRule Kind = "guard rule"

	KindEvidenceRule Kind = "evidence rule"

	KindCdrProfile  Kind = "cdr profile"
	KindCdrProgress Kind = "cdr progress"

	KindWebhook         Kind = "webhook"
	KindWebhookProgress Kind = "webhook progress"
	KindJob             Kind = "job"
)

// Kinds lists all kinds in their order.
func Kinds() []Kind {
	return []Kind{
		KindSettings, KindCompany, KindAccount, KindExchangeRate, KindOriginSet, KindDeckMapping, KindDeck, KindDeckVersion,
		KindNumberList, KindTerminator,
		KindRoutePlan, KindRoute, KindOriginator, KindRegistration, KindSubscriber, KindDid, KindGuardRule, KindEvidenceRule, KindCdrProfile, KindCdrProgress,
		KindWebhook, KindWebhookProgress, KindJob, KindUser, KindToken,
	}
}

// Ref names one entity.
type Ref struct {
	Kind Kind
	ID   string
}

func (r Ref) String() string { return string(r.Kind) + " " + r.ID }

// Item is an entity and when it was last changed.
type Item struct {
	Entity *wire.Entity
	// Version is the position of the event that put the entity as it is.
	Version events.Position
}

// State is the catalog at one position of the book.
type State struct {
	items    map[Kind]map[string]Item
	refCount map[Ref]int
	versions map[string][]*wire.DeckVersion // by deck, rising number
	rates    map[pair][]*wire.ExchangeRate  // by currencies, rising time
	purses   map[purse]*member              // accounts by company and currency
	position events.Position
	sum      events.Sum
}

// New is the catalog before the first edit.
func New() *State {
	return &State{
		items:    map[Kind]map[string]Item{},
		refCount: map[Ref]int{},
		versions: map[string][]*wire.DeckVersion{},
		rates:    map[pair][]*wire.ExchangeRate{},
		purses:   map[purse]*member{},
	}
}

// Position is that of the last edit in the state.
func (s *State) Position() events.Position { return s.position }

// Sum is the hash of all entities with their versions.
func (s *State) Sum() events.Sum { return s.sum }

// Get finds an entity.
func (s *State) Get(r Ref) (Item, bool) {
	it, ok := s.items[r.Kind][r.ID]
	return it, ok
}

// Version is when an entity was last changed, 0 if there is none.
func (s *State) Version(r Ref) events.Position { return s.items[r.Kind][r.ID].Version }

// List gives all entities of a kind, by id.
func (s *State) List(k Kind) []Item {
	m := s.items[k]
	out := make([]Item, 0, len(m))
	for _, id := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[id])
	}
	return out
}

// Len counts the entities of a kind.
func (s *State) Len(k Kind) int { return len(s.items[k]) }

// Company finds a company by its id; nil if there is none. So do the others.
func (s *State) Company(id string) *wire.Company {
	return s.items[KindCompany][id].Entity.GetCompany()
}

// Account finds an account by its id.
func (s *State) Account(id string) *wire.Account {
	return s.items[KindAccount][id].Entity.GetAccount()
}

// purse are a company's accounts in one currency.
type purse struct{ company, currency string }

// member is an account in a purse's list. A later state's list ends in an older one's,
// so that they share it.
type member struct {
	account string
	next    *member
}

// SumAccounts adds up something of a company's accounts in one currency.
func (s *State) SumAccounts(company, currency string, of func(id string) int64) (sum int64) {
	for m := s.purses[purse{company, currency}]; m != nil; m = m.next {
		sum += of(m.account)
	}
	return sum
}

// Originator finds an originator by its id, or the one that a subscriber is when
// he calls.
func (s *State) Originator(id string) *wire.Originator {
	if sub := s.subscriberOf(id, DevicePeer); sub != nil {
		return callingAs(sub)
	}
	return s.items[KindOriginator][id].Entity.GetOriginator()
}

// Terminator finds a terminator by its id, or the one that a subscriber is when he
// is called, or forwards a call.
func (s *State) Terminator(id string) *wire.Terminator {
	if sub := s.subscriberOf(id, DevicePeer, ForwardPeer); sub != nil {
		return called(id, sub)
	}
	return s.items[KindTerminator][id].Entity.GetTerminator()
}

// Deck finds a deck by its id.
func (s *State) Deck(id string) *wire.Deck { return s.items[KindDeck][id].Entity.GetDeck() }

// User finds a user by his id.
func (s *State) User(id string) *wire.User { return s.items[KindUser][id].Entity.GetUser() }

// RoutePlan finds a route plan by its id.
func (s *State) RoutePlan(id string) *wire.RoutePlan {
	return s.items[KindRoutePlan][id].Entity.GetRoutePlan()
}

// NumberList finds a number list by its id.
func (s *State) NumberList(id string) *wire.NumberList {
	return s.items[KindNumberList][id].Entity.GetNumberList()
}

// Settings are the switch's own; never nil.
func (s *State) Settings() *wire.Settings {
	if st := s.items[KindSettings]["settings"].Entity.GetSettings(); st != nil {
		return st
	}
	return &wire.Settings{Id: "settings"}
}

// TokenByHash finds a token by the SHA-256 of its secret.
func (s *State) TokenByHash(hash []byte) *wire.Token {
	for _, it := range s.items[KindToken] {
		if t := it.Entity.GetToken(); string(t.Hash) == string(hash) {
			return t
		}
	}
	return nil
}

// Versions are a deck's versions by rising number.
func (s *State) Versions(deck string) []*wire.DeckVersion { return s.versions[deck] }

// VersionAt is the version of a deck that is in force at an instant: of those
// that have taken effect the one that did so last, and the newest of those that
// did so together.
func (s *State) VersionAt(deck string, us int64) *wire.DeckVersion {
	var best *wire.DeckVersion
	for _, v := range s.versions[deck] {
		if v.EffectiveFromUs <= us && (best == nil || v.EffectiveFromUs >= best.EffectiveFromUs) {
			best = v
		}
	}
	return best
}

// Evolve is the state after an event at a position. Events that are not about
// the catalog leave it as it is.
func (s *State) Evolve(pos events.Position, e *wire.Event) *State {
	set := e.GetChangeSetAccepted()
	if set == nil {
		return s
	}
	next := &State{
		items: maps.Clone(s.items), refCount: maps.Clone(s.refCount),
		versions: maps.Clone(s.versions), rates: maps.Clone(s.rates), purses: maps.Clone(s.purses), position: pos, sum: s.sum,
	}
	fresh := map[Kind]bool{}
	for _, c := range set.Changes {
		ref := RefOf(c.Entity)
		if !fresh[ref.Kind] {
			next.items[ref.Kind] = cloneOrNew(next.items[ref.Kind])
			fresh[ref.Kind] = true
		}
		next.change(pos, ref, c)
	}
	return next
}

func cloneOrNew(m map[string]Item) map[string]Item {
	if m == nil {
		return map[string]Item{}
	}
	return maps.Clone(m)
}

func (s *State) change(pos events.Position, ref Ref, c *wire.Change) {
	old, ok := s.items[ref.Kind][ref.ID]
	if ok {
		s.sum.Remove(encoding(ref, old))
		for _, r := range References(old.Entity) {
			if s.refCount[r]--; s.refCount[r] == 0 {
				delete(s.refCount, r)
			}
		}
		delete(s.items[ref.Kind], ref.ID)
	}
	if !c.Remove {
		it := Item{Entity: c.Entity, Version: pos}
		s.items[ref.Kind][ref.ID] = it
		s.sum.Add(encoding(ref, it))
		for _, r := range References(c.Entity) {
			s.refCount[r]++
		}
	}
	switch ref.Kind {
	case KindAccount:
		if a := c.Entity.GetAccount(); !ok { // its company and currency never change, and it is never removed
			p := purse{a.Company, a.Currency}
			s.purses[p] = &member{a.Id, s.purses[p]}
		}
	case KindDeckVersion:
		s.indexVersions(c.Entity.GetDeckVersion().Deck)
	case KindExchangeRate:
		s.indexRate(c.Entity.GetExchangeRate(), c.Remove)
	}
}

func (s *State) indexVersions(deck string) {
	var list []*wire.DeckVersion
	for _, it := range s.items[KindDeckVersion] {
		if v := it.Entity.GetDeckVersion(); v.Deck == deck {
			list = append(list, v)
		}
	}
	slices.SortFunc(list, func(a, b *wire.DeckVersion) int { return int(int64(a.Number) - int64(b.Number)) })
	s.versions[deck] = list
}

// encoding is what an item is hashed as.
func encoding(ref Ref, it Item) []byte {
	b := []byte("catalog\x00" + string(ref.Kind) + "\x00" + ref.ID + "\x00")
	for shift := 56; shift >= 0; shift -= 8 {
		b = append(b, byte(it.Version>>shift))
	}
	return events.Canonical(b, it.Entity)
}

// Resum computes the hash anew from all entities.
func (s *State) Resum() events.Sum {
	var sum events.Sum
	for k, m := range s.items {
		for id, it := range m {
			sum.Add(encoding(Ref{k, id}, it))
		}
	}
	return sum
}

// RoutesOf lists the routes of a plan, by id.
func (s *State) RoutesOf(plan string) []*wire.Route {
	var out []*wire.Route
	for _, it := range s.items[KindRoute] {
		if r := it.Entity.GetRoute(); r.Plan == plan {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *wire.Route) int { return strings.Compare(a.Id, b.Id) })
	return out
}
