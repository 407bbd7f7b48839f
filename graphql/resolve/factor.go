package resolve

import (
	"bytes"
	"context"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/model"
)

// secondFactor shows how a person stands with a second factor, nil for a token.
func (r *Resolver) secondFactor(v *auth.Viewer) *model.SecondFactor {
	if v == nil || v.User == "" {
		return nil
	}
	cat := r.Backend.Catalog()
	u := cat.User(v.User)
	return &model.SecondFactor{
		On: auth.HasSecondFactor(u), Required: slices.Contains(cat.Settings().SecondFactorRoles, u.GetRole()),
		RecoveryCodes: len(u.GetSecondFactor().GetRecovery()),
	}
}

// editFactor changes a user's second factor in the viewer's name.
func (r *Resolver) editFactor(ctx context.Context, user, note string, change func(u *wire.User) error) (outcome, error) {
	return r.edit(ctx, edit{
		ref: catalog.Ref{Kind: catalog.KindUser, ID: user}, note: note,
		build: func(cat *catalog.State) (*wire.Entity, error) {
			old := cat.User(user)
			if old == nil {
				return nil, events.NotFound("there is no user %q", user).At("input.user")
			}
			u := proto.CloneOf(old)
			return catalog.EntityOf(u), change(u)
		},
	})
}

// person is the user who asks; tokens have no second factor.
func person(ctx context.Context) (string, error) {
	switch v := auth.FromContext(ctx); {
	case v == nil:
		return "", ErrSignIn
	case v.User == "":
		return "", events.Refuse(events.CodeForbidden, "a token has no second factor")
	default:
		return v.User, nil
	}
}

// beginFactor gives a user a new secret, which does not count until it is confirmed. For
// another one a code of the one before is needed, which ends with this.
func (r *Resolver) beginFactor(ctx context.Context, in model.SecondFactorBeginInput) (*model.SecondFactorBeginPayload, error) {
	fail := func(err error) (*model.SecondFactorBeginPayload, error) {
		mistakes, err := userErrors(err)
		return &model.SecondFactorBeginPayload{UserErrors: mistakes}, err
	}
	user, err := person(ctx)
	if err != nil {
		return fail(err)
	}
	if err := r.Door.CheckPassword(ctx, user, in.Password); err != nil {
		return fail(err)
	}
	if auth.HasSecondFactor(r.Backend.Catalog().User(user)) {
		if err := r.Door.ProveCode(user, or(in.Code, "")); err != nil {
			return fail(err)
		}
	}
	secret, text, uri, err := auth.NewSecondFactor(user)
	if err != nil {
		return fail(err)
	}
	wrapped, err := r.Backend.Wrap(catalog.Ref{Kind: catalog.KindUser, ID: user}, secret)
	if err != nil {
		return fail(err)
	}
	out, err := r.editFactor(ctx, user, "second factor of "+user+" begun", func(u *wire.User) error {
		u.SecondFactor = &wire.SecondFactor{Secret: wrapped}
		return nil
	})
	payload := &model.SecondFactorBeginPayload{UserErrors: list(out.errors)}
	if err == nil && len(out.errors) == 0 {
		payload.Secret, payload.URI = &text, &uri
	}
	return payload, err
}

// confirmFactor makes the secret count, by a code that only who has it can know.
func (r *Resolver) confirmFactor(ctx context.Context, in model.SecondFactorConfirmInput) (*model.SecondFactorConfirmPayload, error) {
	fail := func(err error) (*model.SecondFactorConfirmPayload, error) {
		mistakes, err := userErrors(err)
		return &model.SecondFactorConfirmPayload{RecoveryCodes: []string{}, UserErrors: mistakes}, err
	}
	user, err := person(ctx)
	if err != nil {
		return fail(err)
	}
	if err := r.Door.ProveCode(user, in.Code); err != nil {
		return fail(err)
	}
	codes, hashes, err := auth.NewRecoveryCodes()
	if err != nil {
		return fail(err)
	}
	proven := r.Backend.Catalog().User(user).GetSecondFactor().GetSecret()
	out, err := r.editFactor(ctx, user, "second factor of "+user+" confirmed", func(u *wire.User) error {
		if f := u.SecondFactor; f == nil || f.ConfirmedAtUs != 0 || !bytes.Equal(f.Secret, proven) {
			return events.Refuse(events.CodeConflict, "it is confirmed already, or was begun anew")
		}
		u.SecondFactor.ConfirmedAtUs, u.SecondFactor.Recovery = events.Micros(r.Now()), hashes
		return nil
	})
	payload := &model.SecondFactorConfirmPayload{RecoveryCodes: []string{}, UserErrors: list(out.errors)}
	if err == nil && len(out.errors) == 0 {
		payload.RecoveryCodes = codes
	}
	return payload, err
}

// resetFactor takes a user's second factor away, with the reason in the audit.
func (r *Resolver) resetFactor(ctx context.Context, in model.SecondFactorResetInput) (*model.SecondFactorResetPayload, error) {
	item, ok := r.find(ctx, catalog.KindUser, in.User)
	if !ok || in.Reason == "" || len(in.Reason) > maxReason {
		err := events.NotFound("there is no user %.80q", in.User).At("input.user")
		if ok {
			err = events.Invalid("say why, in at most %d bytes", maxReason).At("input.reason")
		}
		mistakes, other := userErrors(err)
		return &model.SecondFactorResetPayload{UserErrors: mistakes}, other
	}
	key := item.Entity.GetUser().Id
	out, err := r.editFactor(ctx, key, "second factor of "+key+" reset: "+in.Reason, func(u *wire.User) error {
		u.SecondFactor = nil
		return nil
	})
	payload := &model.SecondFactorResetPayload{Position: out.position, UserErrors: list(out.errors)}
	if out.item.Entity != nil {
		payload.User = user(out.item)
	}
	return payload, err
}

// spendRecovery takes a recovery code from a user, in the user's own name.
func (r *Resolver) spendRecovery(ctx context.Context) func(user string, hash []byte) error {
	return func(user string, hash []byte) error {
		ctx := auth.WithViewer(ctx, &auth.Viewer{Actor: "user:" + user, User: user})
		out, err := r.editFactor(ctx, user, "a recovery code of "+user+" used", func(u *wire.User) error {
			is := func(h []byte) bool { return bytes.Equal(h, hash) }
			if !slices.ContainsFunc(u.GetSecondFactor().GetRecovery(), is) {
				return events.Refuse(events.CodeForbidden, "the code is wrong, or was used already")
			}
			u.SecondFactor.Recovery = slices.DeleteFunc(u.SecondFactor.Recovery, is)
			return nil
		})
		if err == nil && len(out.errors) > 0 {
			err = events.Refuse(events.CodeForbidden, "%s", out.errors[0].Message)
		}
		return err
	}
}
