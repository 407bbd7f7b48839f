package resolve

import (
	"context"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/model"
)

// find looks an entity up for the viewer. What he may not see is not there: the
// answer is that for an unknown id.
func (r *Resolver) find(ctx context.Context, kind catalog.Kind, id string) (catalog.Item, bool) {
	key, ok := model.Key(kind, id)
	if !ok || key == "" {
		return catalog.Item{}, false
	}
	cat := r.Backend.Catalog()
	item, ok := cat.Get(catalog.Ref{Kind: kind, ID: key})
	if !ok || !sees(auth.FromContext(ctx), cat, item.Entity) {
		return catalog.Item{}, false
	}
	return item, true
}

// list gives the entities of a kind that the viewer may see, as rows by key.
func (r *Resolver) list(ctx context.Context, kind catalog.Kind, keep func(*wire.Entity) bool) []row[catalog.Item] {
	cat, viewer := r.Backend.Catalog(), auth.FromContext(ctx)
	var rows []row[catalog.Item]
	for _, item := range cat.List(kind) {
		if sees(viewer, cat, item.Entity) && (keep == nil || keep(item.Entity)) {
			rows = append(rows, row[catalog.Item]{catalog.RefOf(item.Entity).ID, item})
		}
	}
	return rows
}

// sees is the one rule of who may read which entity.
func sees(v *auth.Viewer, cat *catalog.State, e *wire.Entity) bool {
	if v == nil {
		return false
	}
	switch of := e.GetOf().(type) {
	case *wire.Entity_Company:
		return v.Sees(of.Company.Id)
	case *wire.Entity_Account:
		return v.Sees(of.Account.Company)
	case *wire.Entity_Originator:
		return v.Sees(of.Originator.Company)
	case *wire.Entity_Terminator:
		return v.Sees(of.Terminator.Company)
	case *wire.Entity_Subscriber:
		return v.Sees(of.Subscriber.Company)
	case *wire.Entity_Did:
		return v.Sees(of.Did.Company)
	case *wire.Entity_Deck:
		return v.Sees(of.Deck.Company)
	case *wire.Entity_DeckVersion:
		return v.Sees(cat.Deck(of.DeckVersion.Deck).GetCompany())
	case *wire.Entity_RoutePlan, *wire.Entity_Route, *wire.Entity_NumberList, *wire.Entity_Registration,
		*wire.Entity_ExchangeRate, *wire.Entity_OriginSet, *wire.Entity_DeckMapping, *wire.Entity_GuardRule,
		*wire.Entity_EvidenceRule, *wire.Entity_CdrProfile, *wire.Entity_CdrProgress,
		*wire.Entity_Webhook, *wire.Entity_WebhookProgress:
		return v.Staff()
	case *wire.Entity_Job:
		return v.Role == wire.Role_ROLE_ADMIN || v.Actor == of.Job.Actor
	case *wire.Entity_User:
		return v.Role == wire.Role_ROLE_ADMIN || v.User != "" && v.User == of.User.Id
	default: // tokens and settings
		return v.Role == wire.Role_ROLE_ADMIN
	}
}

// await waits until this node's views include a position that the query demands.
func (r *Resolver) await(ctx context.Context, atLeast *events.Position) error {
	if atLeast == nil {
		return nil
	}
	return r.Backend.Await(ctx, *atLeast)
}

// asOf says how far this node's views have read.
func (r *Resolver) asOf() model.AsOf {
	position, lag := r.Backend.AsOf()
	return model.AsOf{Position: position, LagMs: int(lag.Milliseconds())}
}
