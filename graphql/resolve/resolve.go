// Package resolve answers the API's questions: from the catalog, the book's
// balances, the history and the live calls of this node; what must be decided it
// asks the keeper.
package resolve

import (
	"context"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/gen"
	"github.com/tollbook/tollbook/graphql/model"
	"github.com/tollbook/tollbook/projections/history"
	"github.com/tollbook/tollbook/projections/stores"
)

// Resolver answers. Its fields are set once, before the first request.
type Resolver struct {
	Backend Backend
	History *history.Store
	// CDRs answers for the history what its copy knows better, or alone.
	CDRs *stores.Stores
	Door *auth.Door
	// CheckExport says whether somebody can export a list with parameters. The server sets
	// it, which knows the lists.
	CheckExport func(v *auth.Viewer, list string, parameters map[string]string) error
	// Now is the clock.
	Now func() time.Time

	importing sync.Mutex // a price list is being read
	sample    sample
}

// Config is the resolver with its directives, ready for the generated schema.
func (r *Resolver) Config() gen.Config {
	return gen.Config{
		Resolvers:  r,
		Directives: gen.DirectiveRoot{Needs: needs},
	}
}

// needs lets only the listed roles and ADMIN go on.
func needs(ctx context.Context, _ any, next graphql.Resolver, roles []model.Role) (any, error) {
	v := auth.FromContext(ctx)
	if v == nil {
		return nil, ErrSignIn
	}
	if v.Enrols {
		return nil, errEnrol
	}
	if v.Role == wire.Role_ROLE_ADMIN {
		return next(ctx)
	}
	for _, role := range roles {
		if role.Wire() == v.Role {
			return next(ctx)
		}
	}
	return nil, errForbidden
}
