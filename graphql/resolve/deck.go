package resolve

import (
	"context"
	"crypto/sha256"
	"regexp"
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

// importVersion adds a version to a deck: its rows go into the blob bucket first,
// then one event names their digest.
func (r *Resolver) importVersion(ctx context.Context, in model.DeckVersionImportInput) (*model.DeckVersionImportPayload, error) {
	refuse := func(rows int, err error) (*model.DeckVersionImportPayload, error) {
		mistakes, err := userErrors(err)
		return &model.DeckVersionImportPayload{RowCount: rows, UserErrors: mistakes}, err
	}
	item, ok := r.find(ctx, catalog.KindDeck, in.Deck)
	if !ok {
		return refuse(0, events.NotFound("there is no deck %.80q", in.Deck).At("input.deck"))
	}
	rows, err := rating.ParseCSV([]byte(in.CSV))
	if err != nil {
		return refuse(0, events.Invalid("%v", err).At(csvPath(err)))
	}
	canonical := rating.Canonical(rows)
	digest := sha256.Sum256(canonical)
	if !dry(in.DryRun) {
		if err := r.Backend.StoreBlob(ctx, digest, canonical); err != nil {
			return refuse(len(rows), err)
		}
	}
	version := &wire.DeckVersion{
		Deck: item.Entity.GetDeck().Id, Digest: digest[:], Rows: uint32(len(rows)), Source: or(in.Source, ""),
	}
	version.Bands, version.OriginSets = rating.Named(rows)
	if at := value(in.EffectiveFrom); at != nil {
		version.EffectiveFromUs = events.Micros(*at)
	}
	return r.addVersion(ctx, in, version)
}

// addVersion records a version under the next free number.
func (r *Resolver) addVersion(ctx context.Context, in model.DeckVersionImportInput, v *wire.DeckVersion) (*model.DeckVersionImportPayload, error) {
	for _, old := range r.Backend.Catalog().Versions(v.Deck) {
		v.Number = max(v.Number, old.Number)
	}
	v.Number++
	v.Id = catalog.VersionID(v.Deck, v.Number)
	out, err := r.edit(ctx, edit{
		ref: catalog.Ref{Kind: catalog.KindDeckVersion, ID: v.Id}, dryRun: in.DryRun,
		note:  "import of " + v.Source,
		build: func(*catalog.State) (*wire.Entity, error) { return catalog.EntityOf(v), nil },
	})
	payload := &model.DeckVersionImportPayload{RowCount: int(v.Rows), Position: out.position, UserErrors: list(out.errors)}
	if out.item.Entity != nil && out.position != nil {
		payload.DeckVersion = deckVersion(out.item)
	}
	return payload, err
}

// csvPath names the line that an import error is about: "input.csv.17".
func csvPath(err error) string {
	match := regexp.MustCompile(`^line (\d+):`).FindStringSubmatch(err.Error())
	if match == nil {
		return "input.csv"
	}
	return "input.csv." + match[1]
}
