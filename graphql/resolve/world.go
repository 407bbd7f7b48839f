package resolve

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/model"
)

// applyWorld makes the catalog what a document says.
func (r *Resolver) applyWorld(ctx context.Context, in model.WorldApplyInput) (*model.WorldApplyPayload, error) {
	change, err := r.Backend.ApplyWorld(ctx, WorldEdit{
		YAML: in.Yaml, Actor: auth.FromContext(ctx).Actor, Note: or(in.Note, ""), DryRun: dry(in.DryRun),
	})
	if err != nil {
		mistakes, err := userErrors(err)
		return &model.WorldApplyPayload{Differences: []*model.Difference{}, UserErrors: mistakes}, err
	}
	payload := &model.WorldApplyPayload{Differences: []*model.Difference{}, UserErrors: []*model.UserError{}}
	for _, d := range change.Differences {
		payload.Differences = append(payload.Differences, difference(d))
	}
	if change.Position != 0 {
		payload.Position = &change.Position
		if err := r.Backend.Await(ctx, change.Position); err != nil {
			return payload, err
		}
	}
	return payload, nil
}

func difference(d Difference) *model.Difference {
	out := &model.Difference{ID: model.ID(d.Ref.Kind, d.Ref.ID), Kind: model.DifferenceKindUpdate, Fields: []string{}}
	switch {
	case d.Before == nil:
		out.Kind = model.DifferenceKindCreate
	case d.After == nil:
		out.Kind = model.DifferenceKindRemove
	default:
		out.Fields = changedFields(d.Before, d.After)
	}
	return out
}

// changedFields tells the fields in which two entities of a kind differ, with
// the schema's names. Secrets are named, not shown.
func changedFields(before, after *wire.Entity) []string {
	a, b := body(before), body(after)
	out := []string{}
	if a == nil || b == nil || a.Descriptor() != b.Descriptor() {
		return out
	}
	list := a.Descriptor().Fields()
	for i := range list.Len() {
		f := list.Get(i)
		old, now := a.Get(f), b.Get(f)
		if old.Equal(now) {
			continue
		}
		if secret(f.Name()) {
			out = append(out, string(f.Name())+": (hidden)")
			continue
		}
		out = append(out, fmt.Sprintf("%s: %s -> %s", f.Name(), shown(f, old), shown(f, now)))
	}
	return out
}

func body(e *wire.Entity) protoreflect.Message {
	m := e.ProtoReflect()
	f := m.WhichOneof(m.Descriptor().Oneofs().Get(0))
	if f == nil {
		return nil
	}
	return proto.CloneOf(e).ProtoReflect().Get(f).Message()
}

func secret(name protoreflect.Name) bool {
	return name == "hash" || strings.Contains(string(name), "password") || strings.Contains(string(name), "secret")
}

func shown(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	if f.Kind() == protoreflect.EnumKind && !f.IsList() {
		if value := f.Enum().Values().ByNumber(v.Enum()); value != nil {
			return string(value.Name())
		}
	}
	if f.Kind() == protoreflect.BytesKind {
		return fmt.Sprintf("%x", v.Bytes())
	}
	return v.String()
}
