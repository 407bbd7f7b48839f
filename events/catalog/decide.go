package catalog

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// MaxChanges bounds one change set.
const MaxChanges = 5000

// Decide checks a change set against the state, at a block time in microseconds.
// It gives the changes that remain to be recorded, leaving out puts that change
// nothing. It accepts all or refuses all, naming the place.
func (s *State) Decide(nowUS int64, changes []*wire.ExpectedChange) ([]*wire.Change, error) {
	if len(changes) == 0 {
		return nil, events.Invalid("the change set is empty")
	}
	if len(changes) > MaxChanges {
		return nil, events.Invalid("the change set has %d changes; at most %d are allowed", len(changes), MaxChanges)
	}
	var out []*wire.Change
	seen := map[Ref]bool{}
	for i, ec := range changes {
		c, err := s.decideOne(nowUS, ec, seen)
		if err != nil {
			return nil, at(i, err)
		}
		if c != nil {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	after := s.Evolve(s.position, &wire.Event{Body: &wire.Event_ChangeSetAccepted{
		ChangeSetAccepted: &wire.ChangeSetAccepted{Changes: out},
	}})
	for i, ec := range changes {
		if err := after.checkLinks(ec.Change); err != nil {
			return nil, at(i, err)
		}
	}
	return out, nil
}

func at(i int, err *events.Error) *events.Error { return err.At(fmt.Sprintf("changes.%d", i)) }

// decideOne checks one change by itself; nil means that it changes nothing.
func (s *State) decideOne(nowUS int64, ec *wire.ExpectedChange, seen map[Ref]bool) (*wire.Change, *events.Error) {
	c := ec.GetChange()
	ref := RefOf(c.GetEntity())
	if ref.Kind == "" {
		return nil, events.Invalid("the change names no entity")
	}
	if seen[ref] {
		return nil, events.Invalid("%s is changed twice in one change set", ref)
	}
	seen[ref] = true
	old, exists := s.Get(ref)
	if ec.Absent && exists {
		return nil, events.Refuse(events.CodeConflict, "%s exists already", ref)
	}
	if ec.ExpectedVersion != 0 && events.Position(ec.ExpectedVersion) != old.Version {
		return nil, events.Refuse(events.CodeConflict,
			"%s is at version %d, not %d: read it again and repeat the edit", ref, old.Version, ec.ExpectedVersion)
	}
	if c.Remove {
		return s.decideRemove(ref, c, exists)
	}
	if v := c.Entity.GetDeckVersion(); v != nil && v.EffectiveFromUs == 0 {
		c = proto.CloneOf(c)
		c.Entity.GetDeckVersion().EffectiveFromUs = nowUS
		if exists {
			c.Entity.GetDeckVersion().EffectiveFromUs = old.Entity.GetDeckVersion().EffectiveFromUs
		}
	}
	if exists && proto.Equal(old.Entity, c.Entity) {
		return nil, nil
	}
	if err := validate(c.Entity); err != nil {
		return nil, err
	}
	if exists {
		if err := unchangeable(ref, old.Entity, c.Entity); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (s *State) decideRemove(ref Ref, c *wire.Change, exists bool) (*wire.Change, *events.Error) {
	if !exists {
		return nil, events.NotFound("there is no %s to remove", ref)
	}
	switch ref.Kind {
	case KindAccount:
		return nil, events.Invalid("%s has a history and cannot be removed; disable it", ref)
	case KindExchangeRate:
		return nil, events.Invalid("%s has priced calls or may have, and cannot be removed; declare a later one", ref)
	case KindDeckVersion:
		return nil, events.Invalid("%s has priced calls or may have, and cannot be removed", ref)
	case KindCdrProgress:
		return nil, events.Invalid("%s cannot be removed: CDRs would come into a second file", ref)
	}
	return c, nil
}

// unchangeable refuses edits of what the past depends on.
func unchangeable(ref Ref, old, put *wire.Entity) *events.Error {
	switch ref.Kind {
	case KindAccount:
		a, b := old.GetAccount(), put.GetAccount()
		if a.Currency != b.Currency || a.Company != b.Company || a.Kind != b.Kind {
			return events.Invalid("%s: currency, company and kind of an account cannot change", ref)
		}
	case KindDeck:
		if old.GetDeck().Currency != put.GetDeck().Currency {
			return events.Invalid("%s: the currency of a deck cannot change", ref)
		}
	case KindCdrProfile:
		// A file that is owed is made of rows that were chosen by them.
		if a, b := old.GetCdrProfile(), put.GetCdrProfile(); a.Company != b.Company || a.Account != b.Account {
			return events.Invalid("%s: company and account of a profile cannot change; declare another profile", ref)
		}
	case KindCdrProgress:
		return follows(old.GetCdrProgress(), put.GetCdrProgress())
	case KindDeckVersion:
		return events.Invalid("%s exists; a version cannot change, import the next one", ref)
	}
	return nil
}

// checkLinks is called on the state after the change set.
func (s *State) checkLinks(c *wire.Change) *events.Error {
	ref := RefOf(c.Entity)
	if c.Remove {
		if n := s.refCount[ref]; n > 0 {
			return events.Refuse(events.CodeConflict, "%s is used by %d others and cannot be removed", ref, n)
		}
		return nil
	}
	for _, r := range References(c.Entity) {
		if _, ok := s.Get(r); !ok {
			return events.NotFound("%s needs %s, which does not exist", ref, r)
		}
	}
	switch of := c.Entity.Of.(type) {
	case *wire.Entity_Account:
		return s.checkPackageLink(ref, of.Account)
	case *wire.Entity_Originator:
		o := of.Originator
		if err := s.checkAuthUser(ref, o); err != nil {
			return err
		}
		return s.checkPeer(ref, o.Company, o.Account, o.SellDeck, wire.AccountKind_ACCOUNT_KIND_CUSTOMER)
	case *wire.Entity_Terminator:
		t := of.Terminator
		return s.checkPeer(ref, t.Company, t.Account, t.BuyDeck, wire.AccountKind_ACCOUNT_KIND_VENDOR)
	case *wire.Entity_Deck:
		return s.checkDeck(of.Deck)
	case *wire.Entity_DeckVersion:
		return s.checkVersion(of.DeckVersion)
	case *wire.Entity_Subscriber:
		return s.checkSubscriber(ref, of.Subscriber)
	case *wire.Entity_Did:
		return s.checkDid(ref, of.Did)
	case *wire.Entity_GuardRule:
		return s.checkGuards()
	case *wire.Entity_EvidenceRule:
		return s.checkEvidence()
	case *wire.Entity_CdrProfile:
		return s.checkCdrProfile(ref, of.CdrProfile)
	case *wire.Entity_Webhook:
		return s.checkWebhook()
	case *wire.Entity_Job:
		return s.checkJobs()
	}
	return nil
}

func (s *State) checkPeer(ref Ref, company, account, deck string, kind wire.AccountKind) *events.Error {
	a, d := s.Account(account), s.Deck(deck)
	switch {
	case a.Company != company:
		return events.Invalid("%s is of company %s, its account %s of company %s", ref, company, account, a.Company)
	case IsPackage(a):
		return events.Invalid("%s: account %s is a package of seconds; name one in money that has it as its package", ref, account)
	case a.Kind != kind:
		return events.Invalid("%s needs an account of the other kind than %s: customers' accounts pay for calls, vendors' are paid", ref, account)
	}
	return s.checkCurrencies(ref, a, d)
}

func (s *State) checkVersion(v *wire.DeckVersion) *events.Error {
	for i, other := range s.versions[v.Deck] {
		if other.Number != uint64(i+1) {
			return events.Invalid("deck %s: version %d does not follow version %d", v.Deck, v.Number, i)
		}
	}
	return s.checkVersionLinks(v)
}
