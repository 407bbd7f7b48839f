package resolve

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/model"
)

// editTries is how often an edit without an expected version is repeated when
// somebody else was faster.
const editTries = 4

// edit is one change of one entity that somebody asked for.
type edit struct {
	ref      catalog.Ref
	expected graphql.Omittable[*events.Position]
	dryRun   graphql.Omittable[*bool]
	note     string
	// build makes the entity that shall be, from the newest catalog. It is nil
	// for a removal.
	build func(cat *catalog.State) (*wire.Entity, error)
}

// outcome is what became of an edit: the entity as it is now, or why not.
type outcome struct {
	item     catalog.Item
	position *events.Position
	errors   []*model.UserError
}

// edit asks the keeper for a change and waits until this node has seen it. An
// entity is stored whole but edited in parts, so the change always names the
// version that it was made from.
func (r *Resolver) edit(ctx context.Context, e edit) (outcome, error) {
	if err := r.reads(ctx, value(e.expected)); err != nil {
		list, err := userErrors(err)
		return outcome{errors: list}, err
	}
	for try := 1; ; try++ {
		out, err := r.tryEdit(ctx, e)
		if err == nil {
			return out, nil
		}
		chosen := value(e.expected) != nil
		if events.CodeOf(err) == events.CodeConflict && !chosen && try < editTries && r.moved(ctx) {
			continue
		}
		list, err := userErrors(err)
		return outcome{errors: list}, err
	}
}

// editWithin is how long an edit waits for this node to read the version that it was made
// from, which another node told.
const editWithin = 2 * time.Second

// reads waits for a version: what an edit leaves out keeps the value that it has there, not
// the one before.
func (r *Resolver) reads(ctx context.Context, version *events.Position) error {
	now, _ := r.Backend.AsOf()
	if version == nil || *version <= now {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, editWithin)
	defer cancel()
	return r.Backend.Await(ctx, *version)
}

// moved waits until the catalog is as new as the book was when it refused.
func (r *Resolver) moved(ctx context.Context) bool {
	position, _ := r.Backend.AsOf()
	return r.Backend.Await(ctx, position) == nil
}

func (r *Resolver) tryEdit(ctx context.Context, e edit) (outcome, error) {
	cat := r.Backend.Catalog()
	old, exists := cat.Get(e.ref)
	change := &wire.ExpectedChange{Change: &wire.Change{}}
	if e.build == nil {
		if !exists {
			return outcome{}, events.NotFound("there is no %s", e.ref)
		}
		change.Change.Entity, change.Change.Remove = old.Entity, true
	} else {
		entity, err := e.build(cat)
		if err != nil {
			return outcome{}, err
		}
		change.Change.Entity = entity
	}
	expected := old.Version
	if p := value(e.expected); p != nil {
		expected = *p
	}
	change.ExpectedVersion, change.Absent = uint64(expected), expected == 0
	reply, err := r.change(ctx, e.note, dry(e.dryRun), change)
	if err != nil {
		return outcome{}, err
	}
	return r.outcome(ctx, e, change.Change, old, reply)
}

// outcome reads the entity back; a dry run shows what would be.
func (r *Resolver) outcome(ctx context.Context, e edit, c *wire.Change, old catalog.Item, reply *wire.Reply) (outcome, error) {
	if dry(e.dryRun) {
		return outcome{item: catalog.Item{Entity: c.Entity, Version: old.Version}}, nil
	}
	position := events.Position(reply.Position)
	if err := r.Backend.Await(ctx, position); err != nil {
		return outcome{}, err
	}
	item, ok := r.Backend.Catalog().Get(e.ref)
	if !ok {
		item = catalog.Item{Entity: c.Entity, Version: position}
	}
	return outcome{item: item, position: &position}, nil
}

// change sends changes to the keeper as one command with a fresh key.
func (r *Resolver) change(ctx context.Context, note string, dryRun bool, changes ...*wire.ExpectedChange) (*wire.Reply, error) {
	key := make([]byte, len(events.Key{}))
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("command key: %w", err)
	}
	return r.execute(ctx, &wire.Command{Key: key, DryRun: dryRun, Body: &wire.Command_ChangeCatalog{
		ChangeCatalog: &wire.ChangeCatalog{Note: note, Changes: changes},
	}})
}

// execute asks the keeper in the viewer's name. A refusal comes as an error.
func (r *Resolver) execute(ctx context.Context, c *wire.Command) (*wire.Reply, error) {
	c.Actor = auth.FromContext(ctx).Actor
	reply, err := r.Backend.Execute(ctx, c)
	if err != nil {
		return nil, err
	}
	return reply, events.FromRefusal(reply.Error)
}

// remove is the mutation of all removals.
func (r *Resolver) remove(ctx context.Context, kind catalog.Kind, input model.RemoveInput) (*model.RemovePayload, error) {
	key, ok := model.Key(kind, input.ID)
	if !ok {
		list, err := userErrors(events.NotFound("there is no %s %s", kind, input.ID).At("input.id"))
		return &model.RemovePayload{UserErrors: list}, err
	}
	out, err := r.edit(ctx, edit{ref: catalog.Ref{Kind: kind, ID: key}, expected: input.ExpectedVersion, dryRun: input.DryRun})
	if err != nil || len(out.errors) > 0 {
		return &model.RemovePayload{UserErrors: out.errors}, err
	}
	return &model.RemovePayload{RemovedID: model.OptionalID(kind, key), Position: out.position, UserErrors: out.errors}, nil
}

// userErrors turns a refusal into the errors of a payload. What is not a refusal
// stays an error.
func userErrors(err error) ([]*model.UserError, error) {
	var domain *events.Error
	if !errors.As(err, &domain) {
		return []*model.UserError{}, err
	}
	code, known := codeOf(domain.Code)
	if !known {
		return []*model.UserError{}, err
	}
	// The words around the refusal say where it lies: "decks[0] \"a-z\": line 7".
	user := &model.UserError{Code: code, Message: strings.Replace(err.Error(), domain.Error(), domain.Message, 1)}
	path := strings.TrimPrefix(domain.Path, "changes.0")
	switch {
	case strings.HasPrefix(path, "input"):
		user.Path = &path
	case path != "":
		path = "input." + strings.TrimPrefix(path, ".")
		user.Path = &path
	}
	return []*model.UserError{user}, nil
}

func codeOf(c events.Code) (model.ErrorCode, bool) {
	switch c {
	case events.CodeInvalid:
		return model.ErrorCodeInvalid, true
	case events.CodeNotFound:
		return model.ErrorCodeNotFound, true
	case events.CodeConflict, events.CodeStale:
		return model.ErrorCodeConflict, true
	case events.CodeForbidden:
		return model.ErrorCodeForbidden, true
	case events.CodeInsufficientFunds:
		return model.ErrorCodeInsufficientFunds, true
	case events.CodeLimit:
		return model.ErrorCodeRateLimited, true
	case events.CodeUnavailable, events.CodeExpired:
		return model.ErrorCodeUnavailable, true
	default:
		return model.ErrorCodeInternal, false
	}
}
