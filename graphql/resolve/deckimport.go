package resolve

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/sheet"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/model"
)

// maxShown bounds the changes, the errors and the prefixes that an import shows.
const maxShown = 1000

// deckFile is a partner's file on its way into a deck.
type deckFile struct {
	in      model.DeckImportInput
	cat     *catalog.State
	deck    *wire.Deck
	mapping *wire.DeckMapping
	data    []byte
	inputs  []byte
	nowUS   int64
	startUS int64 // when rows without a date take effect
	file    *rating.Sheet
	steps   []rating.Step
	out     *model.DeckImportPayload
}

// importDeck reads, checks and compares a file and, unless it is a dry run,
// makes its versions: all in one decision, or none. One file at a time is worked
// on: the largest one takes a good part of a node's memory.
func (r *Resolver) importDeck(ctx context.Context, in model.DeckImportInput) (*model.DeckImportPayload, error) {
	out := &model.DeckImportPayload{
		Versions: []*model.ImportedVersion{}, Counts: []*model.RateChangeCount{}, Changes: []*model.RateChange{},
		Errors: []*model.ImportError{}, Traffic: []*model.RepricedTraffic{}, TrafficTotals: []*model.RepricedTraffic{},
		UserErrors: []*model.UserError{},
	}
	if !r.importing.TryLock() {
		out.UserErrors, _ = userErrors(events.Refuse(events.CodeLimit, "another file is being imported; try again in a moment"))
		return out, nil
	}
	defer r.importing.Unlock()
	f := &deckFile{in: in, cat: r.Backend.Catalog(), nowUS: events.Micros(r.Now()), out: out}
	err := f.open(ctx, r)
	if err == nil {
		err = r.stageDeck(ctx, f)
	}
	if err != nil {
		out.UserErrors, err = userErrors(err)
	}
	return out, err
}

// open finds what the request names and reads the file.
func (f *deckFile) open(ctx context.Context, r *Resolver) error {
	item, ok := r.find(ctx, catalog.KindDeck, f.in.Deck)
	if !ok {
		return events.NotFound("there is no deck %.80q", f.in.Deck).At("input.deck")
	}
	f.deck = item.Entity.GetDeck()
	id, named := f.in.Mapping.ValueOK()
	switch {
	case named && id != nil:
		item, ok := r.find(ctx, catalog.KindDeckMapping, *id)
		if !ok {
			return events.NotFound("there is no deck mapping %.80q", *id).At("input.mapping")
		}
		f.mapping = item.Entity.GetDeckMapping()
	case !named:
		f.mapping = f.cat.MappingOf(f.deck.Company)
	}
	if f.mapping != nil {
		f.out.Mapping = one(ctx, r, catalog.KindDeckMapping, f.mapping.Id, deckMapping)
	}
	f.startUS = f.nowUS
	if at := value(f.in.EffectiveFrom); at != nil {
		f.startUS = events.Micros(*at)
	}
	if key := or(f.in.IdempotencyKey, ""); !dry(f.in.DryRun) && (key == "" || len(key) > maxIdempotencyKey) {
		return events.Invalid("an idempotency key has 1 to %d bytes", maxIdempotencyKey).At("input.idempotencyKey")
	}
	var err error
	if f.data, err = io.ReadAll(io.LimitReader(f.in.File.File, sheet.MaxFile+1)); err != nil {
		return fmt.Errorf("read the uploaded file: %w", err)
	}
	f.inputs = f.hash()
	return nil
}

// stageDeck makes the versions, or says what is wrong or would be.
func (r *Resolver) stageDeck(ctx context.Context, f *deckFile) error {
	if done, err := r.importedBefore(ctx, f); done || err != nil {
		return err
	}
	var old []rating.Row
	if v := f.cat.VersionAt(f.deck.Id, f.startUS); v != nil {
		var err error
		if old, err = r.Backend.DeckRows(ctx, v); err != nil {
			return err
		}
	}
	f.file = rating.NewSheet(f.deck, f.mapping)
	sheet.Read(f.data, f.file)
	f.data = nil // as large as what was read from it
	f.steps = f.file.Stage(old, f.startUS, or(f.in.RemoveMissing, false))
	f.check()
	f.compare(old)
	f.out.ErrorCount += f.file.Faulty
	for _, x := range f.file.Faults {
		f.out.Errors = append(f.out.Errors, &model.ImportError{Line: x.Line, Column: x.Column, Reason: x.Reason, UnknownColumn: x.Unknown})
	}
	if f.out.ErrorCount > 0 {
		return nil
	}
	changes, blobs := f.versions()
	for _, c := range changes {
		f.out.Versions = append(f.out.Versions, importedVersion(c.Change.Entity.GetDeckVersion()))
	}
	if dry(f.in.DryRun) {
		return r.reprice(ctx, f, changes)
	}
	for digest, data := range blobs {
		if err := r.Backend.StoreBlob(ctx, digest, data); err != nil {
			return err
		}
	}
	reply, err := r.execute(ctx, f.command(ctx, false, &wire.ChangeCatalog{Note: f.note(), Changes: changes}))
	if err != nil {
		return err
	}
	return r.imported(ctx, f, reply)
}

func (f *deckFile) note() string { return "import of " + f.source() }

// source is the file's name, as it is recorded.
func (f *deckFile) source() string {
	name := []rune(f.in.File.Filename)
	return string(name[:min(len(name), 100)])
}

// command is the import as the keeper sees it. What was asked for is the file and
// what to do with it; the versions are worked out from it, and would have other
// numbers the second time.
func (f *deckFile) command(ctx context.Context, dryRun bool, change *wire.ChangeCatalog) *wire.Command {
	key := events.KeyOf("deck import", auth.FromContext(ctx).Actor, or(f.in.IdempotencyKey, ""))
	return &wire.Command{
		Key: key[:], Inputs: f.inputs, DryRun: dryRun, Body: &wire.Command_ChangeCatalog{ChangeCatalog: change},
	}
}

// hash is the SHA-256 of what was asked for.
func (f *deckFile) hash() []byte {
	from := int64(0) // "now" is the same on a repeat
	if value(f.in.EffectiveFrom) != nil {
		from = f.startUS
	}
	file := sha256.Sum256(f.data)
	h := sha256.Sum256(fmt.Appendf(file[:], "%s\x00%s\x00%d\x00%v\x00%v",
		f.deck.Id, f.mapping.GetId(), from, or(f.in.RemoveMissing, false), or(f.in.IgnoreNotice, false)))
	return h[:]
}

// importedBefore asks the keeper whether it knows the key: nothing is changed by
// an edit without changes, which is refused unless it is a repeat.
func (r *Resolver) importedBefore(ctx context.Context, f *deckFile) (bool, error) {
	if dry(f.in.DryRun) {
		return false, nil
	}
	reply, err := r.execute(ctx, f.command(ctx, true, &wire.ChangeCatalog{}))
	if events.CodeOf(err) == events.CodeInvalid {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, r.imported(ctx, f, reply)
}

// imported shows the versions that the keeper recorded, now or for the same
// request before.
func (r *Resolver) imported(ctx context.Context, f *deckFile, reply *wire.Reply) error {
	position := events.Position(reply.GetPosted().GetPosition())
	f.out.Position, f.out.Repeated = &position, reply.Repeated
	if err := r.Backend.Await(ctx, position); err != nil || !reply.Repeated {
		return err
	}
	for _, it := range r.Backend.Catalog().List(catalog.KindDeckVersion) {
		if v := it.Entity.GetDeckVersion(); v.Deck == f.deck.Id && it.Version == position {
			f.out.Versions = append(f.out.Versions, importedVersion(v))
		}
	}
	return nil
}

func importedVersion(v *wire.DeckVersion) *model.ImportedVersion {
	return &model.ImportedVersion{Number: int(v.Number), EffectiveFrom: events.Instant(v.EffectiveFromUs), RowCount: int(v.Rows)}
}

// check notes what the rows need and the catalog does not have.
func (f *deckFile) check() {
	for _, e := range f.file.Entries {
		if e.Origin != "" && f.cat.OriginSet(e.Origin) == nil {
			f.file.Fault(e.Line, "origin", events.NotFound("there is no origin set %.80q", e.Origin))
		}
	}
	if len(f.steps) == 0 {
		return
	}
	for _, v := range f.cat.Versions(f.deck.Id) {
		if v.EffectiveFromUs > f.steps[0].FromUS {
			f.file.Fault(0, "effective_from", events.Invalid("version %d of the deck takes effect at %s and would overlap; import from then on",
				v.Number, events.Instant(v.EffectiveFromUs).Format(time.RFC3339)))
		}
	}
}

// compare fills in the difference and notes increases without notice.
func (f *deckFile) compare(old []rating.Row) {
	var d rating.Difference
	for _, s := range f.steps {
		d.Compare(old, s)
		old = s.Rows
	}
	for _, kind := range rating.ChangeKinds() {
		if n := d.Counts[kind]; n > 0 {
			f.out.Counts = append(f.out.Counts, &model.RateChangeCount{Kind: model.RateChangeKind(strings.ToUpper(string(kind))), Rows: n})
		}
	}
	for _, c := range d.Changes[:min(len(d.Changes), maxShown)] {
		f.out.Changes = append(f.out.Changes, rateChange(c))
	}
	if or(f.in.IgnoreNotice, false) || f.deck.NoticeDays == 0 {
		return
	}
	sudden := d.Notice(f.nowUS, f.deck.NoticeDays)
	f.out.ErrorCount = len(sudden)
	sudden = sudden[:min(len(sudden), maxShown)]
	lines := map[string]int{}
	for i := range f.file.Entries {
		if len(sudden) > 0 {
			lines[f.file.Entries[i].Scope()] = f.file.Entries[i].Line
		}
	}
	for _, c := range sudden {
		f.out.Errors = append(f.out.Errors, &model.ImportError{
			Line: lines[c.After.Scope()], Column: "price", Notice: true,
			Reason: fmt.Sprintf("prefix %s becomes dearer at %s, without %d days' notice",
				c.After.Scope(), events.Instant(c.FromUS).Format(time.RFC3339), f.deck.NoticeDays),
		})
	}
}

func rateChange(c rating.Change) *model.RateChange {
	out := &model.RateChange{Kind: model.RateChangeKind(strings.ToUpper(string(c.Kind))), EffectiveFrom: events.Instant(c.FromUS)}
	price := func(row *rating.Row) *model.Decimal {
		if row == nil {
			return nil
		}
		out.Prefix, out.Destination, out.Origin, out.Band = row.Prefix, row.Destination, row.Origin, row.Band
		p := model.Nano(int64(row.PriceNext))
		return &p
	}
	out.Before, out.After = price(c.Before), price(c.After)
	return out
}

// versions makes the change set of an import and the blobs that it names.
func (f *deckFile) versions() ([]*wire.ExpectedChange, map[[32]byte][]byte) {
	number := uint64(len(f.cat.Versions(f.deck.Id)))
	var changes []*wire.ExpectedChange
	blobs := map[[32]byte][]byte{}
	for _, s := range f.steps {
		number++
		data := rating.Canonical(s.Rows)
		digest := sha256.Sum256(data)
		blobs[digest] = data
		v := &wire.DeckVersion{
			Id: catalog.VersionID(f.deck.Id, number), Deck: f.deck.Id, Number: number, Digest: digest[:],
			Rows: uint32(len(s.Rows)), EffectiveFromUs: s.FromUS, Source: f.source(),
		}
		v.Bands, v.OriginSets = rating.Named(s.Rows)
		changes = append(changes, &wire.ExpectedChange{Absent: true, Change: &wire.Change{Entity: catalog.EntityOf(v)}})
	}
	return changes, blobs
}

// Rows are the rows of a version of a deck that the viewer sees; 0 is the one in
// force.
func (r *Resolver) Rows(ctx context.Context, deck string, number uint64) ([]rating.Row, error) {
	cat := r.Backend.Catalog()
	item, ok := r.find(ctx, catalog.KindDeck, deck)
	if !ok {
		return nil, events.NotFound("there is no deck %.80q", deck)
	}
	deck = item.Entity.GetDeck().Id
	v := cat.VersionAt(deck, events.Micros(r.Now()))
	for _, o := range cat.Versions(deck) {
		if o.Number == number {
			v = o
		}
	}
	if v == nil || number != 0 && v.Number != number {
		return nil, events.NotFound("there is no version %d of the deck %.80q", number, deck)
	}
	rows, err := r.Backend.DeckRows(ctx, v)
	if err != nil {
		return nil, fmt.Errorf("read the rows of %s: %w", v.Id, err)
	}
	return rows, nil
}
