package resolve

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/model"
)

// alerts shows the raised alerts of the accounts that the viewer may see.
func (r *Resolver) alerts(ctx context.Context, s span) (*model.Connection[model.Alert], error) {
	var rows []row[*model.Alert]
	for _, a := range r.Backend.Alerts() {
		item, ok := r.find(ctx, catalog.KindAccount, a.Account)
		if !ok {
			continue
		}
		kind := strings.TrimPrefix(a.Kind.String(), "ALERT_KIND_")
		rows = append(rows, row[*model.Alert]{a.Account + " " + kind, &model.Alert{
			Account: *account(item), Kind: model.AlertKind(kind),
			Balance: amount(a.BalanceMicro, a.Currency), Threshold: amount(a.ThresholdMicro, a.Currency),
		}})
	}
	slices.SortFunc(rows, func(a, b row[*model.Alert]) int { return strings.Compare(a.key, b.key) })
	return pageOf(rows, s, r.asOf(), func(a *model.Alert) *model.Alert { return a })
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
