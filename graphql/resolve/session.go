package resolve

import (
	"context"
	"errors"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/model"
)

// viewer shows who asks, nil before sign-in.
func (r *Resolver) viewer(v *auth.Viewer) *model.Viewer {
	if v == nil {
		return nil
	}
	return &model.Viewer{Actor: v.Actor, Role: model.RoleOf(v.Role), CompanyKey: v.Company, Scopes: each(v.Scopes, model.TokenScopeOf), SecondFactor: r.secondFactor(v)}
}

func (r *Resolver) signIn(ctx context.Context, in model.SignInInput) (*model.SignInPayload, error) {
	exchange := auth.ExchangeFrom(ctx)
	if exchange == nil {
		return nil, events.Invalid("signing in needs a browser's request")
	}
	v, secret, err := r.Door.SignIn(ctx, auth.Attempt{
		User: in.User, Password: in.Password, Code: or(in.Code, ""), Address: exchange.Address, Spend: r.spendRecovery(ctx),
	})
	if errors.Is(err, auth.ErrCodeNeeded) {
		return &model.SignInPayload{CodeNeeded: true, UserErrors: []*model.UserError{}}, nil
	}
	if err != nil {
		mistakes, err := userErrors(err)
		return &model.SignInPayload{UserErrors: mistakes}, err
	}
	exchange.SetSession(secret)
	return &model.SignInPayload{Viewer: r.viewer(v), UserErrors: []*model.UserError{}}, nil
}

func (r *Resolver) signOut(ctx context.Context) (*model.SignOutPayload, error) {
	if exchange := auth.ExchangeFrom(ctx); exchange != nil && exchange.Session != "" {
		r.Door.SignOut(exchange.Session)
		exchange.SetSession("")
	}
	return &model.SignOutPayload{UserErrors: []*model.UserError{}}, nil
}

func (r *Resolver) putUser(ctx context.Context, in model.UserPutInput) (*model.UserPutPayload, error) {
	hash := ""
	if password := value(in.Password); password != nil {
		var err error
		if hash, err = auth.HashPassword(*password); err != nil {
			mistakes, err := userErrors(err)
			return &model.UserPutPayload{UserErrors: mistakes}, err
		}
	}
	out, err := r.edit(ctx, edit{
		ref:      catalog.Ref{Kind: catalog.KindUser, ID: in.Key},
		expected: in.ExpectedVersion, dryRun: in.DryRun,
		build: func(cat *catalog.State) (*wire.Entity, error) {
			u := &wire.User{Id: in.Key}
			if old := cat.User(in.Key); old != nil {
				u = proto.CloneOf(old)
			} else if hash == "" {
				return nil, events.Invalid("a new user needs a password").At("input.password")
			}
			return catalog.EntityOf(u), fillUser(u, in, hash)
		},
	})
	payload := &model.UserPutPayload{Position: out.position, UserErrors: list(out.errors)}
	if out.item.Entity != nil {
		payload.User = user(out.item)
	}
	return payload, err
}

func fillUser(u *wire.User, in model.UserPutInput, hash string) error {
	var f fields
	set(&u.Name, in.Name)
	if role := value(in.Role); role != nil {
		u.Role = role.Wire()
	}
	f.link("company", &u.Company, catalog.KindCompany, in.Company)
	set(&u.Disabled, in.Disabled)
	if hash != "" {
		u.Password = hash
	}
	return f.err
}

// setPassword changes one's own password, or anybody's for an ADMIN.
func (r *Resolver) setPassword(ctx context.Context, in model.UserSetPasswordInput) (*model.UserSetPasswordPayload, error) {
	key, hash, err := r.newPassword(ctx, in)
	if err != nil {
		mistakes, err := userErrors(err)
		return &model.UserSetPasswordPayload{UserErrors: mistakes}, err
	}
	out, err := r.edit(ctx, edit{
		ref: catalog.Ref{Kind: catalog.KindUser, ID: key}, note: "password of " + key,
		build: func(cat *catalog.State) (*wire.Entity, error) {
			old := cat.User(key)
			if old == nil {
				return nil, events.NotFound("there is no user %q", key).At("input.user")
			}
			u := proto.CloneOf(old)
			u.Password = hash
			return catalog.EntityOf(u), nil
		},
	})
	payload := &model.UserSetPasswordPayload{Position: out.position, UserErrors: list(out.errors)}
	if out.item.Entity != nil {
		payload.User = user(out.item)
	}
	return payload, err
}

// newPassword checks that the viewer may set the password, and hashes it.
func (r *Resolver) newPassword(ctx context.Context, in model.UserSetPasswordInput) (key, hash string, err error) {
	item, ok := r.find(ctx, catalog.KindUser, in.User)
	if !ok {
		return "", "", events.NotFound("there is no user %.80q", in.User).At("input.user")
	}
	key = item.Entity.GetUser().Id
	if auth.FromContext(ctx).User == key {
		if err := r.Door.CheckPassword(ctx, key, or(in.OldPassword, "")); err != nil {
			return "", "", err
		}
	}
	hash, err = auth.HashPassword(in.Password)
	return key, hash, err
}

// mayCreate says whether a viewer may make a token: one whose own is limited makes
// none that may more than it.
func mayCreate(v *auth.Viewer, scopes []wire.TokenScope) error {
	if len(v.Scopes) == 0 {
		return nil
	}
	for _, s := range scopes {
		if !slices.Contains(v.Scopes, s) {
			return events.Refuse(events.CodeForbidden, "your token has not all of these scopes itself").At("input.scopes")
		}
	}
	if len(scopes) == 0 {
		return events.Refuse(events.CodeForbidden, "your token has scopes, so name some of them: none is everything").At("input.scopes")
	}
	return nil
}

func (r *Resolver) createToken(ctx context.Context, in model.TokenCreateInput) (*model.TokenCreatePayload, error) {
	secret, hash, err := auth.NewToken()
	if err != nil {
		return nil, err
	}
	none := events.Position(0)
	out, err := r.edit(ctx, edit{
		ref: catalog.Ref{Kind: catalog.KindToken, ID: in.Key}, expected: expect(&none),
		build: func(*catalog.State) (*wire.Entity, error) {
			var f fields
			t := &wire.Token{Id: in.Key, Hash: hash, Role: in.Role.Wire(), ExpiresAtUs: effective(in.ExpiresAt)}
			set(&t.Name, in.Name)
			f.link("company", &t.Company, catalog.KindCompany, in.Company)
			t.Scopes = each(in.Scopes.Value(), model.TokenScope.Wire)
			replace(&t.Networks, in.Networks)
			f.count("pointsPerMinute", &t.PointsPerMinute, in.PointsPerMinute)
			if err := mayCreate(auth.FromContext(ctx), t.Scopes); err != nil {
				return nil, err
			}
			return catalog.EntityOf(t), f.err
		},
	})
	payload := &model.TokenCreatePayload{Position: out.position, UserErrors: list(out.errors)}
	if out.item.Entity != nil {
		payload.Token, payload.Secret = r.token(out.item), &secret
	}
	return payload, err
}

func (r *Resolver) revokeToken(ctx context.Context, in model.RemoveInput) (*model.TokenRevokePayload, error) {
	item, ok := r.find(ctx, catalog.KindToken, in.ID)
	if !ok {
		mistakes, err := userErrors(events.NotFound("there is no token %.80q", in.ID).At("input.id"))
		return &model.TokenRevokePayload{UserErrors: mistakes}, err
	}
	ref := catalog.RefOf(item.Entity)
	out, err := r.edit(ctx, edit{
		ref: ref, expected: in.ExpectedVersion, dryRun: in.DryRun,
		build: func(cat *catalog.State) (*wire.Entity, error) {
			now, ok := cat.Get(ref)
			if !ok {
				return nil, events.NotFound("there is no %s", ref)
			}
			t := proto.CloneOf(now.Entity.GetToken())
			t.Revoked = true
			return catalog.EntityOf(t), nil
		},
	})
	payload := &model.TokenRevokePayload{Position: out.position, UserErrors: list(out.errors)}
	if out.item.Entity != nil {
		payload.Token = r.token(out.item)
	}
	return payload, err
}
