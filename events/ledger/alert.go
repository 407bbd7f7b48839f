package ledger

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/wire"
)

// alertKey names an alert: one account's, of one kind.
type alertKey struct {
	account string
	kind    wire.AlertKind
}

func (k alertKey) encoding(in *scratch) []byte {
	return in.begin('l').text(k.account).number(int64(k.kind))
}

// Alerts are the alerts that are raised and not cleared, by account and kind.
func (s *State) Alerts() []*wire.AlertRaised {
	return slices.SortedFunc(maps.Values(s.raised), func(a, b *wire.AlertRaised) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Kind, b.Kind))
	})
}

// Alerting gives the alerts that decided events raise or clear, to stand behind
// them. The posted balance counts: what open calls hold comes and goes. An alert
// is raised once, and again only when the balance had come back by the account's
// distance. A threshold that is set, moved or taken away is judged at once.
func (s *State) Alerting(c *catalog.State, evs []*wire.Event) []*wire.Event {
	m := moves{catalog: c}
	for _, e := range evs {
		switch b := e.Body.(type) {
		case *wire.Event_MoneyPosted:
			m.post(b.MoneyPosted.Postings)
		case *wire.Event_CallCharged:
			m.post(b.CallCharged.Postings)
		case *wire.Event_OfflineWrittenUp:
			m.post(b.OfflineWrittenUp.Postings)
		case *wire.Event_ChangeSetAccepted:
			for _, change := range b.ChangeSetAccepted.Changes {
				a := change.Entity.GetAccount()
				if a != nil && !change.Remove && (a.Alerts != nil || c.Account(a.Id).GetAlerts() != nil) {
					m.of(a).account = a
				}
			}
		}
	}
	slices.SortFunc(m.list, func(a, b move) int { return cmp.Compare(a.account.Id, b.account.Id) })
	var out []*wire.Event
	for _, v := range m.list {
		out = append(out, s.alerting(v.account, s.Balance(v.account.Id).Posted+v.by)...)
	}
	return out
}

// moves are the accounts with thresholds, now or until now, that a command's events
// move or edit. Most calls have none.
type moves struct {
	catalog *catalog.State
	list    []move
}

type move struct {
	account *wire.Account
	by      money.Amount
}

func (m *moves) of(a *wire.Account) *move {
	i := slices.IndexFunc(m.list, func(v move) bool { return v.account.Id == a.Id })
	if i < 0 {
		i, m.list = len(m.list), append(m.list, move{account: a})
	}
	return &m.list[i]
}

func (m *moves) post(postings []*wire.Posting) {
	for _, p := range postings {
		if IsOwn(p.Account) {
			continue
		}
		// Nothing is raised for an account without thresholds: taking them away clears it.
		if a := m.catalog.Account(p.Account); a.GetAlerts() != nil {
			m.of(a).by += money.Amount(p.AmountMicro)
		}
	}
}

// alerting judges one account's balance.
func (s *State) alerting(a *wire.Account, balance money.Amount) (out []*wire.Event) {
	t := a.GetAlerts()
	rearm := money.Amount(t.GetRearmMicro())
	judge := func(kind wire.AlertKind, threshold *int64, over, back func(money.Amount) bool) {
		_, raised := s.raised[alertKey{a.Id, kind}]
		switch {
		case !raised && threshold != nil && over(money.Amount(*threshold)):
			out = append(out, &wire.Event{Body: &wire.Event_AlertRaised{AlertRaised: &wire.AlertRaised{
				Account: a.Id, Kind: kind, Currency: a.Currency, BalanceMicro: int64(balance), ThresholdMicro: *threshold,
			}}})
		case raised && (threshold == nil || back(money.Amount(*threshold))):
			out = append(out, &wire.Event{Body: &wire.Event_AlertCleared{AlertCleared: &wire.AlertCleared{
				Account: a.Id, Kind: kind, Currency: a.Currency, BalanceMicro: int64(balance),
			}}})
		}
	}
	var low, high *int64
	if t != nil {
		low, high = t.LowMicro, t.HighMicro
	}
	judge(wire.AlertKind_ALERT_KIND_LOW_BALANCE, low,
		func(at money.Amount) bool { return balance < at }, func(at money.Amount) bool { return balance >= at+rearm })
	judge(wire.AlertKind_ALERT_KIND_HIGH_BALANCE, high,
		func(at money.Amount) bool { return balance > at }, func(at money.Amount) bool { return balance <= at-rearm })
	return out
}

func (s *State) evolveRaised(pos events.Position, a *wire.AlertRaised) error {
	key := alertKey{a.Account, a.Kind}
	if _, ok := s.raised[key]; ok {
		return fmt.Errorf("the alert at %d was raised already for account %s", pos, a.Account)
	}
	s.raised[key] = a
	s.sum.Add(key.encoding(&s.scratch))
	return nil
}

func (s *State) evolveCleared(pos events.Position, a *wire.AlertCleared) error {
	key := alertKey{a.Account, a.Kind}
	if _, ok := s.raised[key]; !ok {
		return fmt.Errorf("the alert that is cleared at %d is not raised for account %s", pos, a.Account)
	}
	delete(s.raised, key)
	s.sum.Remove(key.encoding(&s.scratch))
	return nil
}
