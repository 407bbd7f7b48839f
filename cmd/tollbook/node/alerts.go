package node

import (
	"context"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/projections/office"
)

const (
	// alertNews is how old an alert may be to be told in the log: those of before
	// the start were told then.
	alertNews = time.Minute
	// forecastEvery is how often the accounts' paces are looked at.
	forecastEvery = 10 * time.Second
)

// Alerts are the alerts that are raised, by account.
func (n *Node) Alerts() []*wire.AlertRaised {
	var out []*wire.AlertRaised
	n.follower.View(func(st *state.State) { out = st.Ledger.Alerts() })
	return out
}

// Rescues are the times that the book went on from one survivor's store.
func (n *Node) Rescues() []*wire.RescueRecorded {
	var out []*wire.RescueRecorded
	n.follower.View(func(st *state.State) { out = st.Rescues })
	return out
}

// tellAlerts writes alerts into the log.
func (n *Node) tellAlerts(at time.Time, evs []*wire.Event) {
	if time.Since(at) > alertNews {
		return
	}
	for _, e := range evs {
		if a := e.GetAlertRaised(); a != nil {
			n.log.Warn("an account crossed a threshold", "account", a.Account, "kind", a.Kind.String(), "currency", a.Currency,
				"balance", money.Amount(a.BalanceMicro).String(), "threshold", money.Amount(a.ThresholdMicro).String())
		}
		if g := e.GetGuardTripped(); g != nil {
			id, _ := events.CallIDFrom(g.Call) // which the view has looked at
			n.log.Warn("a call tripped a guard rule", "rule", g.Rule, "action", g.Action.String(), "account", g.Account, "peer", g.Originator,
				"call_id", id.String(), "until", events.Instant(g.UntilUs))
		}
		if a := e.GetAlertCleared(); a != nil {
			n.log.Info("an account came back from a threshold", "account", a.Account, "kind", a.Kind.String(), "currency", a.Currency,
				"balance", money.Amount(a.BalanceMicro).String())
		}
	}
}

// forecast tells which accounts will soon be empty.
func (n *Node) forecast(ctx context.Context) error {
	watch := office.NewForecast()
	tick := time.NewTicker(forecastEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			var paces []ledger.Pace
			n.follower.View(func(st *state.State) { paces = st.Ledger.Paces(st.Catalog) })
			for _, f := range watch.Look(now, paces) {
				n.log.Warn("an account will soon be empty", "account", f.Account, "currency", f.Currency, "minutes", f.Minutes, "calls", f.Calls,
					"available", money.Amount(f.AvailableMicro).String(), "per_minute", money.Amount(f.BurnMicro).String())
				n.audit.observe(&wire.Event{Body: &wire.Event_BalanceForecast{BalanceForecast: f}})
			}
		}
	}
}
