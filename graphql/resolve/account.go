package resolve

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/model"
)

func (r *Resolver) putAccount(ctx context.Context, in model.AccountPutInput) (*model.AccountPutPayload, error) {
	out, err := r.edit(ctx, edit{
		ref:      catalog.Ref{Kind: catalog.KindAccount, ID: in.Key},
		expected: in.ExpectedVersion, dryRun: in.DryRun,
		build: func(cat *catalog.State) (*wire.Entity, error) {
			a := &wire.Account{Id: in.Key}
			if old := cat.Account(in.Key); old != nil {
				a = proto.CloneOf(old)
			}
			var f fields
			f.link("company", &a.Company, catalog.KindCompany, in.Company)
			set(&a.Name, in.Name)
			set(&a.Currency, in.Currency)
			if kind := value(in.Kind); kind != nil {
				a.Kind = kind.Wire()
			}
			f.decimal("creditLimit", &a.CreditLimitMicro, in.CreditLimit, 6)
			f.count("channels", &a.Channels, in.Channels)
			f.count("callsPerSecond", &a.CallsPerSecond, in.CallsPerSecond)
			set(&a.Disabled, in.Disabled)
			set(&a.CutOff, in.CutOff)
			f.count("offlineCalls", &a.OfflineCalls, in.OfflineCalls)
			f.decimal("offlineAmount", &a.OfflineMicro, in.OfflineAmount, 6)
			f.optionalLink("package", &a.Package, catalog.KindAccount, in.Package)
			if prefixes, set := in.PackagePrefixes.ValueOK(); set {
				a.PackagePrefixes = prefixes
			}
			putAlerts(&f, a, in)
			return catalog.EntityOf(a), f.err
		},
	})
	payload := &model.AccountPutPayload{Position: out.position, UserErrors: list(out.errors)}
	if out.item.Entity != nil {
		payload.Account = account(out.item)
	}
	return payload, err
}

// balance shows what the book's state on this node says of an account.
func (r *Resolver) balance(a *model.Account) *model.Balance {
	b := balanceOf(a, r.Backend.Ledger(a.Key), r.Backend.Catalog())
	b.AsOf = r.asOf()
	return b
}

// balanceOf shows a balance. What a customer may spend and what a vendor lets us owe
// are two things, though both come of a credit limit.
func balanceOf(a *model.Account, l ledger.Account, cat *catalog.State) *model.Balance {
	limit := cat.Account(a.Key).GetCreditLimitMicro()
	b := &model.Balance{Posted: amount(int64(l.Posted), a.Currency), Reserved: amount(int64(l.Held), a.Currency), Holds: l.Calls}
	switch {
	case a.Kind != model.AccountKindVendor:
		b.Available = optional(int64(l.Posted)+limit-int64(l.Held), a.Currency)
	case a.CutOff:
		b.Owable = optional(limit-int64(l.Posted), a.Currency)
	}
	return b
}

// watchBalances tells which of the accounts have another balance, or are set otherwise.
func (r *Resolver) watchBalances(ctx context.Context, ids []string) (<-chan []*model.Account, error) {
	if len(ids) < 1 || len(ids) > maxPage {
		return nil, events.Invalid("1 to %d accounts are shown", maxPage).At("accounts")
	}
	type shown struct {
		entity       *wire.Entity
		posted, held money.Amount
		calls        int
	}
	known, told, at := map[string]shown{}, false, events.Position(0)
	return watch(ctx, func() ([]*model.Account, bool) {
		position, _ := r.Backend.AsOf()
		if told && position == at {
			return nil, false
		}
		changed := []*model.Account{}
		for _, id := range ids {
			item, ok := r.find(ctx, catalog.KindAccount, id)
			if !ok {
				continue
			}
			key := item.Entity.GetAccount().Id
			l := r.Backend.Ledger(key)
			now := shown{item.Entity, l.Posted, l.Held, l.Calls}
			if before, is := known[key]; !is || before != now {
				known[key] = now
				changed = append(changed, account(item))
			}
		}
		first := !told
		told, at = true, position
		return changed, first || len(changed) > 0
	}), nil
}
