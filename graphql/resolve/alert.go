package resolve

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/model"
)

// alerts shows the raised alerts of the accounts that the viewer may see.
func (r *Resolver) alerts(ctx context.Context, s span) (*model.Connection[model.Alert], error) {
	return pageOf(r.raised(ctx), s, r.asOf(), func(a *model.Alert) *model.Alert { return a })
}

// raised are the raised alerts as rows.
func (r *Resolver) raised(ctx context.Context) []row[*model.Alert] {
	var rows []row[*model.Alert]
	for _, raised := range r.Backend.Alerts() {
		if a := r.alert(ctx, raised); a != nil {
			rows = append(rows, row[*model.Alert]{a.Account.Key + " " + string(a.Kind), a})
		}
	}
	slices.SortFunc(rows, func(a, b row[*model.Alert]) int { return strings.Compare(a.key, b.key) })
	return rows
}

// alert shows an alert that is raised, nil if the viewer does not see its account.
func (r *Resolver) alert(ctx context.Context, a *wire.AlertRaised) *model.Alert {
	item, ok := r.find(ctx, catalog.KindAccount, a.Account)
	if !ok {
		return nil
	}
	return &model.Alert{
		Account: *account(item), Kind: alertKind(a.Kind),
		Balance: amount(a.BalanceMicro, a.Currency), Threshold: amount(a.ThresholdMicro, a.Currency),
	}
}

func alertKind(k wire.AlertKind) model.AlertKind {
	return model.AlertKind(strings.TrimPrefix(k.String(), "ALERT_KIND_"))
}

// followAlerts tells which alerts are raised and cleared: after a cursor, or all that are
// raised now and what comes then.
func (r *Resolver) followAlerts(ctx context.Context, after *string) (<-chan *model.AlertsChange, error) {
	at, _ := r.Backend.AsOf() // before the alerts are read, so that none is missed
	var whole *model.AlertsChange
	if after != nil {
		var err error
		if at, err = Place(*after, at); err != nil {
			return nil, err
		}
	} else {
		rows := r.raised(ctx)
		whole = &model.AlertsChange{Cursor: PlaceCursor(at), Whole: true, Raised: []*model.Alert{}, Cleared: []*model.ClearedAlert{}, More: len(rows) > maxPage}
		for _, row := range rows[:min(len(rows), maxPage)] {
			whole.Raised = append(whole.Raised, row.node)
		}
	}
	return follow(ctx, r, at, whole, func(rec *events.Recorded) *model.AlertsChange { return r.alertChange(ctx, rec) }), nil
}

// alertChange shows an event that is about an alert, nil for all others, and for those
// that are not the viewer's to see.
func (r *Resolver) alertChange(ctx context.Context, rec *events.Recorded) *model.AlertsChange {
	at := events.Instant(rec.TimeUS)
	c := &model.AlertsChange{Cursor: PlaceCursor(events.Position(rec.Position)), At: &at, Raised: []*model.Alert{}, Cleared: []*model.ClearedAlert{}}
	switch b := rec.Event.GetBody().(type) {
	case *wire.Event_AlertRaised:
		a := r.alert(ctx, b.AlertRaised)
		if a == nil {
			return nil
		}
		c.Raised = append(c.Raised, a)
	case *wire.Event_AlertCleared:
		item, ok := r.find(ctx, catalog.KindAccount, b.AlertCleared.Account)
		if !ok {
			return nil
		}
		c.Cleared = append(c.Cleared, &model.ClearedAlert{
			Account: *account(item), Kind: alertKind(b.AlertCleared.Kind), Balance: amount(b.AlertCleared.BalanceMicro, b.AlertCleared.Currency),
		})
	default:
		return nil
	}
	return c
}

// putAlerts copies an account's thresholds; null takes one away.
func putAlerts(f *fields, a *wire.Account, in model.AccountPutInput) {
	t := &wire.AccountAlerts{}
	if a.Alerts != nil {
		t = a.Alerts
	}
	threshold := func(path string, to **int64, o graphql.Omittable[*model.Decimal]) {
		if !o.IsSet() {
			return
		}
		*to = nil
		if o.Value() != nil {
			*to = new(int64)
			f.decimal(path, *to, o, 6)
		}
	}
	threshold("lowBalance", &t.LowMicro, in.LowBalance)
	threshold("highBalance", &t.HighMicro, in.HighBalance)
	f.decimal("alertDistance", &t.RearmMicro, in.AlertDistance, 6)
	f.count("forecastMinutes", &t.ForecastMinutes, in.ForecastMinutes)
	if a.Alerts = t; proto.Size(t) == 0 {
		a.Alerts = nil
	}
}

// companyBalances adds up a company's accounts by currency.
func (r *Resolver) companyBalances(company string) []*model.CompanyBalance {
	type sums struct{ theirs, ours int64 }
	cat := r.Backend.Catalog()
	found := map[string]sums{}
	for _, item := range cat.List(catalog.KindAccount) {
		a := item.Entity.GetAccount()
		if a.Company != company {
			continue
		}
		b := r.Backend.Ledger(a.Id)
		s := found[a.Currency]
		if free := int64(b.Posted - b.Held); a.Kind == wire.AccountKind_ACCOUNT_KIND_VENDOR {
			s.ours += free
		} else {
			s.theirs += free
		}
		found[a.Currency] = s
	}
	out := []*model.CompanyBalance{}
	for _, cur := range slices.Sorted(maps.Keys(found)) {
		s := found[cur]
		b := &model.CompanyBalance{Theirs: amount(s.theirs, cur), Ours: amount(s.ours, cur), Mutual: amount(s.theirs+s.ours, cur)}
		for _, l := range cat.Company(company).GetMutualLimits() {
			if l.Currency == cur {
				limit := amount(l.LimitMicro, cur)
				b.Limit = &limit
			}
		}
		out = append(out, b)
	}
	return out
}
