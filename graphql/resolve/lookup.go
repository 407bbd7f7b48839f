package resolve

import (
	"context"
	"strings"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/model"
)

// one shows an entity, nil if the viewer cannot see it.
func one[T any](ctx context.Context, r *Resolver, kind catalog.Kind, id string, convert func(catalog.Item) *T) *T {
	item, ok := r.find(ctx, kind, id)
	if !ok {
		return nil
	}
	return convert(item)
}

// some shows the entities of a kind that the viewer sees and keep accepts.
func some[T any](ctx context.Context, r *Resolver, kind catalog.Kind, keep func(*wire.Entity) bool, convert func(catalog.Item) *T) []*T {
	out := []*T{}
	for _, row := range r.list(ctx, kind, keep) {
		out = append(out, convert(row.node))
	}
	return out
}

// arguments are the four of every connection.
type arguments struct {
	first  *int
	after  *string
	last   *int
	before *string
}

// connect shows a page of the entities of a kind.
func connect[T any](ctx context.Context, r *Resolver, kind catalog.Kind, a arguments, keep func(*wire.Entity) bool, convert func(catalog.Item) *T) (*model.Connection[T], error) {
	s, err := newSpan(a.first, a.after, a.last, a.before)
	if err != nil {
		return nil, err
	}
	return pageOf(r.list(ctx, kind, keep), s, r.asOf(), convert)
}

// node finds anything by its global id; nil if the viewer may not see it.
func (r *Resolver) node(ctx context.Context, id string) (model.Node, error) {
	prefix, key, _ := strings.Cut(id, ":")
	switch prefix {
	case model.KindCall:
		c, err := r.call(ctx, key)
		if c == nil {
			return nil, err
		}
		return c, err
	case model.KindCdr:
		call, leg, ok := model.ParseCdrID(key)
		if !ok {
			return nil, nil
		}
		c, err := r.cdr(ctx, call.String(), leg)
		if c == nil {
			return nil, err
		}
		return c, err
	case model.KindEntry:
		return r.entryNode(ctx, key)
	default:
		return r.entity(ctx, id), nil
	}
}

// entity finds anything of the catalog by its global id.
func (r *Resolver) entity(ctx context.Context, id string) model.Node {
	kind, key, ok := model.KindOf(id)
	if !ok {
		return nil
	}
	item, ok := r.find(ctx, kind, key)
	if !ok {
		return nil
	}
	switch kind {
	case catalog.KindCompany:
		return company(item)
	case catalog.KindAccount:
		return account(item)
	case catalog.KindOriginator:
		return originator(item)
	case catalog.KindTerminator:
		return terminator(item)
	case catalog.KindDeck:
		return deck(item)
	case catalog.KindDeckVersion:
		return deckVersion(item)
	case catalog.KindRoutePlan:
		return routePlan(item)
	case catalog.KindRoute:
		return route(item)
	case catalog.KindNumberList:
		return numberList(item)
	case catalog.KindRegistration:
		return registration(item)
	case catalog.KindExchangeRate:
		return r.exchangeRate(item)
	case catalog.KindOriginSet:
		return originSet(item)
	case catalog.KindDeckMapping:
		return deckMapping(item)
	case catalog.KindGuardRule:
		return guardRule(item)
	case catalog.KindEvidenceRule:
		return evidenceRule(item)
	case catalog.KindCdrProfile:
		return r.cdrProfile(item)
	case catalog.KindWebhook:
		return r.webhook(item)
	case catalog.KindJob:
		return r.job(item)
	case catalog.KindSubscriber:
		return subscriber(item)
	case catalog.KindDid:
		return did(item)
	case catalog.KindUser:
		return user(item)
	case catalog.KindToken:
		return r.token(item)
	default:
		return nil
	}
}
