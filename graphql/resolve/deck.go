package resolve

import (
	"context"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/model"
)

func (r *Resolver) putDeck(ctx context.Context, in model.DeckPutInput) (*model.DeckPutPayload, error) {
	out, err := r.edit(ctx, edit{
		ref:      catalog.Ref{Kind: catalog.KindDeck, ID: in.Key},
		expected: in.ExpectedVersion, dryRun: in.DryRun,
		build: func(cat *catalog.State) (*wire.Entity, error) {
			d := &wire.Deck{Id: in.Key, Decimals: 6}
			if old := cat.Deck(in.Key); old != nil {
				d = proto.CloneOf(old)
			}
			return catalog.EntityOf(d), fillDeck(d, in)
		},
	})
	payload := &model.DeckPutPayload{Position: out.position, UserErrors: list(out.errors)}
	if out.item.Entity != nil {
		payload.Deck = deck(out.item)
	}
	return payload, err
}

func fillDeck(d *wire.Deck, in model.DeckPutInput) error {
	var f fields
	set(&d.Name, in.Name)
	set(&d.Currency, in.Currency)
	if mode := value(in.Rounding); mode != nil {
		d.Rounding = mode.Wire()
	}
	f.count("decimals", &d.Decimals, in.Decimals)
	tax := int64(d.TaxPpm)
	f.decimal("taxRate", &tax, in.TaxRate, 6)
	if tax < 0 || tax > 1_000_000 {
		f.fail("taxRate", events.Invalid("a tax rate is 0 to 1"))
	}
	d.TaxPpm = uint32(tax)
	set(&d.TaxInclusive, in.TaxInclusive)
	f.link("company", &d.Company, catalog.KindCompany, in.Company)
	f.zone("timeZone", &d.TimeZone, in.TimeZone)
	set(&d.BandsSplit, in.BandsSplit)
	f.count("noticeDays", &d.NoticeDays, in.NoticeDays)
	given(&d.Bands, in.Bands, func(b *model.BandInput) *wire.Band {
		return &wire.Band{Name: b.Name, Hours: each(b.Hours, f.hours)}
	})
	return f.err
}

// versions shows a deck's versions, newest first.
func (r *Resolver) versions(ctx context.Context, key string) []*model.DeckVersion {
	out := []*model.DeckVersion{}
	for _, v := range slices.Backward(r.Backend.Catalog().Versions(key)) {
		if shown := one(ctx, r, catalog.KindDeckVersion, v.Id, deckVersion); shown != nil {
			out = append(out, shown)
		}
	}
	return out
}

// rates shows rows of a version. Rows are sorted and each is for other
// calls, so what they are for is the cursor; the shortest, empty prefix is written "=".
func (r *Resolver) rates(ctx context.Context, v *model.DeckVersion, s span, prefix *string) (*model.Connection[model.Rate], error) {
	item, ok := r.find(ctx, catalog.KindDeckVersion, v.ID)
	if !ok {
		return nil, events.NotFound("there is no %s", v.ID)
	}
	all, err := r.Backend.DeckRows(ctx, item.Entity.GetDeckVersion())
	if err != nil {
		return nil, err
	}
	want := ""
	if prefix != nil {
		want = strings.TrimPrefix(*prefix, "+")
	}
	from, _ := slices.BinarySearchFunc(all, want, func(row rating.Row, p string) int { return strings.Compare(row.Prefix, p) })
	var rows []row[numbered]
	for i := from; i < len(all) && strings.HasPrefix(all[i].Prefix, want); i++ {
		rows = append(rows, row[numbered]{rowKey(&all[i]), numbered{all[i], i + 1}})
	}
	return pageOf(rows, s, r.asOf(), rate)
}

// rowKey is a row's cursor: its prefix, and what else it is for.
func rowKey(r *rating.Row) string {
	if r.Origin == "" && r.Band == "" {
		return "=" + r.Prefix
	}
	return "=" + r.Prefix + "\x00" + r.Origin + "\x00" + r.Band
}
