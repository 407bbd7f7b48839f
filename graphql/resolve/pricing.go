package resolve

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/model"
)

func (r *Resolver) exchangeRate(it catalog.Item) *model.ExchangeRate {
	x := it.Entity.GetExchangeRate()
	now := r.Backend.Catalog().Exchange(x.Base, x.Quote, events.Micros(r.Now()))
	return &model.ExchangeRate{
		ID: model.ID(catalog.KindExchangeRate, x.Id), Base: x.Base, Quote: x.Quote, Rate: model.Pico(x.RateE12),
		EffectiveFrom: events.Instant(x.EffectiveFromUs), InForce: now.GetId() == x.Id, Version: it.Version,
	}
}

// exchangeAt is the rate in force at an instant, nil if there is none.
func (r *Resolver) exchangeAt(ctx context.Context, base, quote string, at *time.Time) *model.ExchangeRate {
	instant := r.Now()
	if at != nil {
		instant = *at
	}
	x := r.Backend.Catalog().Exchange(base, quote, events.Micros(instant))
	return one(ctx, r, catalog.KindExchangeRate, x.GetId(), r.exchangeRate)
}

func (r *Resolver) putExchangeRate(ctx context.Context, in model.ExchangeRatePutInput) (*model.ExchangeRatePutPayload, error) {
	at := events.Micros(r.Now())
	if given := value(in.EffectiveFrom); given != nil {
		at = events.Micros(*given)
	}
	id := catalog.ExchangeID(in.Base, in.Quote, at)
	out, err := r.edit(ctx, edit{
		ref:      catalog.Ref{Kind: catalog.KindExchangeRate, ID: id},
		expected: in.ExpectedVersion, dryRun: in.DryRun,
		build: func(*catalog.State) (*wire.Entity, error) {
			rate, err := in.Rate.Scaled(12)
			if err != nil {
				return nil, events.Invalid("%v", err).At("input.rate")
			}
			return catalog.EntityOf(&wire.ExchangeRate{Id: id, Base: in.Base, Quote: in.Quote, RateE12: rate, EffectiveFromUs: at}), nil
		},
	})
	payload := &model.ExchangeRatePutPayload{Position: out.position, UserErrors: list(out.errors)}
	if out.item.Entity != nil {
		payload.ExchangeRate = r.exchangeRate(out.item)
	}
	return payload, err
}

func originSet(it catalog.Item) *model.OriginSet {
	o := it.Entity.GetOriginSet()
	return &model.OriginSet{
		ID: model.ID(catalog.KindOriginSet, o.Id), Key: o.Id, Name: o.Name,
		CallerPrefixes: append([]string{}, o.CallerPrefixes...), Version: it.Version,
	}
}

func (r *Resolver) putOriginSet(ctx context.Context, in model.OriginSetPutInput) (*model.OriginSetPutPayload, error) {
	out, err := r.edit(ctx, edit{
		ref:      catalog.Ref{Kind: catalog.KindOriginSet, ID: in.Key},
		expected: in.ExpectedVersion, dryRun: in.DryRun,
		build: func(cat *catalog.State) (*wire.Entity, error) {
			o := &wire.OriginSet{Id: in.Key}
			if old := cat.OriginSet(in.Key); old != nil {
				o = proto.CloneOf(old)
			}
			set(&o.Name, in.Name)
			given(&o.CallerPrefixes, in.CallerPrefixes, func(p string) string { return strings.TrimPrefix(p, "+") })
			return catalog.EntityOf(o), nil
		},
	})
	payload := &model.OriginSetPutPayload{Position: out.position, UserErrors: list(out.errors)}
	if out.item.Entity != nil {
		payload.OriginSet = originSet(out.item)
	}
	return payload, err
}

func deckMapping(it catalog.Item) *model.DeckMapping {
	m := it.Entity.GetDeckMapping()
	out := &model.DeckMapping{
		ID: model.ID(catalog.KindDeckMapping, m.Id), Key: m.Id, Name: m.Name, CompanyKey: m.Company,
		DateLayout: m.DateLayout, DecimalComma: m.DecimalComma, Columns: []*model.MappedColumn{}, Version: it.Version,
	}
	for _, theirs := range slices.Sorted(maps.Keys(m.Columns)) {
		out.Columns = append(out.Columns, &model.MappedColumn{Theirs: theirs, Ours: m.Columns[theirs]})
	}
	return out
}

func (r *Resolver) putDeckMapping(ctx context.Context, in model.DeckMappingPutInput) (*model.DeckMappingPutPayload, error) {
	out, err := r.edit(ctx, edit{
		ref:      catalog.Ref{Kind: catalog.KindDeckMapping, ID: in.Key},
		expected: in.ExpectedVersion, dryRun: in.DryRun,
		build: func(cat *catalog.State) (*wire.Entity, error) {
			m := &wire.DeckMapping{Id: in.Key}
			if old := cat.DeckMapping(in.Key); old != nil {
				m = proto.CloneOf(old)
			}
			var f fields
			set(&m.Name, in.Name)
			f.link("company", &m.Company, catalog.KindCompany, in.Company)
			set(&m.DateLayout, in.DateLayout)
			set(&m.DecimalComma, in.DecimalComma)
			if columns, given := in.Columns.ValueOK(); given {
				m.Columns = map[string]string{}
				for _, c := range columns {
					m.Columns[strings.ToLower(strings.Join(strings.Fields(c.Theirs), " "))] = c.Ours
				}
			}
			return catalog.EntityOf(m), f.err
		},
	})
	payload := &model.DeckMappingPutPayload{Position: out.position, UserErrors: list(out.errors)}
	if out.item.Entity != nil {
		payload.DeckMapping = deckMapping(out.item)
	}
	return payload, err
}

// mappingsOf accepts the mappings of a company; of all and of none if id is nil.
func mappingsOf(id *string) func(*wire.Entity) bool {
	if id == nil {
		return nil
	}
	key, ok := model.Key(catalog.KindCompany, *id)
	return func(e *wire.Entity) bool { return ok && e.GetDeckMapping().Company == key }
}
