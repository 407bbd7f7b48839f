package auth

import (
	"context"

	"github.com/tollbook/tollbook/events/wire"
)

// Viewer is who asks: a signed-in person or the bearer of a token.
type Viewer struct {
	// Actor is the name in the events: "user:anna", "token:billing".
	Actor string
	// User is the id of the signed-in user, empty for a token.
	User string
	Role wire.Role
	// Company limits a PARTNER; it is empty for the others.
	Company string
	// Enrols says that the person must set up a second factor before anything else.
	Enrols bool
	// Scopes are what a token may read; none is all that its role may read and do.
	Scopes []wire.TokenScope
	// PointsPerMinute is what a token's questions may cost, 0 for the usual.
	PointsPerMinute uint32
}

// Staff says whether the viewer sees every company.
func (v *Viewer) Staff() bool {
	switch v.Role {
	case wire.Role_ROLE_ADMIN, wire.Role_ROLE_FINANCE, wire.Role_ROLE_NOC:
		return true
	default:
		return false
	}
}

// Sees says whether what belongs to a company is the viewer's to read.
func (v *Viewer) Sees(company string) bool {
	return v.Staff() || v.Role == wire.Role_ROLE_PARTNER && company != "" && company == v.Company
}

type viewerKey struct{}

type exchangeKey struct{}

// WithViewer puts who asks into a context.
func WithViewer(ctx context.Context, v *Viewer) context.Context {
	return context.WithValue(ctx, viewerKey{}, v)
}

// FromContext is who asks, nil before sign-in.
func FromContext(ctx context.Context) *Viewer {
	v, _ := ctx.Value(viewerKey{}).(*Viewer)
	return v
}

// Exchange is one HTTP request as far as signing in and out needs it.
type Exchange struct {
	// Address is where the request came from, without the port.
	Address string
	// Session is the secret of the session cookie that came with it.
	Session string
	// SetSession sends the session cookie; an empty secret removes it.
	SetSession func(secret string)
}

// WithExchange puts the request into a context.
func WithExchange(ctx context.Context, e *Exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, e)
}

// ExchangeFrom is the request of a context, nil outside one.
func ExchangeFrom(ctx context.Context) *Exchange {
	e, _ := ctx.Value(exchangeKey{}).(*Exchange)
	return e
}
