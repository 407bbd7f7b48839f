package resolve

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/model"
)

func (r *Resolver) putCompany(ctx context.Context, in model.CompanyPutInput) (*model.CompanyPutPayload, error) {
	out, err := r.edit(ctx, edit{
		ref:      catalog.Ref{Kind: catalog.KindCompany, ID: in.Key},
		expected: in.ExpectedVersion, dryRun: in.DryRun,
		build: func(cat *catalog.State) (*wire.Entity, error) {
			c := &wire.Company{Id: in.Key}
			if old := cat.Company(in.Key); old != nil {
				c = proto.CloneOf(old)
			}
			set(&c.Name, in.Name)
			set(&c.TimeZone, in.TimeZone)
			set(&c.Disabled, in.Disabled)
			if _, err := time.LoadLocation(c.TimeZone); err != nil || c.TimeZone == "Local" {
				return nil, events.Invalid("%.60q is not an IANA time zone such as Europe/Berlin", c.TimeZone).At("input.timeZone")
			}
			if in.MutualLimits.IsSet() {
				c.MutualLimits = nil
				for _, m := range in.MutualLimits.Value() {
					micro, err := m.Amount.Scaled(6)
					if err != nil {
						return nil, events.Invalid("%v", err).At("input.mutualLimits")
					}
					c.MutualLimits = append(c.MutualLimits, &wire.MutualLimit{Currency: m.Currency, LimitMicro: micro})
				}
			}
			return catalog.EntityOf(c), nil
		},
	})
	payload := &model.CompanyPutPayload{Position: out.position, UserErrors: list(out.errors)}
	if out.item.Entity != nil {
		payload.Company = company(out.item)
	}
	return payload, err
}

// list makes sure that a payload's errors are a list even if there are none.
func list(errors []*model.UserError) []*model.UserError {
	if errors == nil {
		return []*model.UserError{}
	}
	return errors
}

// ofCompany accepts accounts of a company; of all companies if id is nil, of
// none if it is the id of something else.
func ofCompany(id *string) func(*wire.Entity) bool {
	if id == nil {
		return nil
	}
	key, ok := model.Key(catalog.KindCompany, *id)
	return func(e *wire.Entity) bool { return ok && e.GetAccount().Company == key }
}
