package resolve

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/sheet"
	"github.com/tollbook/tollbook/events/wire"
)

// maxShown bounds the changes and the prefixes that an import shows.
const maxShown = 1000

// DeckImport is a partner's file for a deck.
type DeckImport struct {
	Deck, Mapping, Source string
	Data                  []byte
	// From is when rows without a date take effect; zero is now.
	From time.Time
	// RemoveMissing takes what the file does not name out of the deck.
	RemoveMissing bool
	// IgnoreNotice lets increases in sooner than the deck's notice.
	IgnoreNotice bool
	DryRun       bool
}

// DeckImported is what became of a file: the versions that it made, or would
// make, or what is wrong with it; then nothing was made.
type DeckImported struct {
	Versions []ImportedVersion `json:"versions"`
	// Counts are the rows by kind of change; Changes shows the first of them.
	Counts  map[rating.ChangeKind]int `json:"counts"`
	Changes []ImportedChange          `json:"changes"`
	// Errors are the first thousand, ErrorCount counts all.
	Errors     []ImportFault `json:"errors"`
	ErrorCount int           `json:"errorCount"`
	// Traffic is what last week's calls would have cost; only for a dry run.
	Traffic  []RepricedPrefix `json:"traffic,omitempty"`
	DryRun   bool             `json:"dryRun"`
	Position uint64           `json:"position,omitempty"`
}

// ImportedVersion is one version of the deck.
type ImportedVersion struct {
	Number        uint64    `json:"number"`
	EffectiveFrom time.Time `json:"effectiveFrom"`
	Rows          int       `json:"rows"`
}

// ImportedChange is a price before and after; the prices are of a following minute.
type ImportedChange struct {
	Kind          rating.ChangeKind `json:"kind"`
	Prefix        string            `json:"prefix"`
	Origin        string            `json:"origin,omitempty"`
	Band          string            `json:"band,omitempty"`
	Before        string            `json:"before,omitempty"`
	After         string            `json:"after,omitempty"`
	EffectiveFrom time.Time         `json:"effectiveFrom"`
}

// ImportFault says what is wrong, and where in the file.
type ImportFault struct {
	Line   int    `json:"line"`
	Column string `json:"column"`
	Reason string `json:"reason"`
}

// ImportDeck reads, checks and compares a file and, unless it is a dry run,
// makes its versions: all in one decision, or none.
func (r *Resolver) ImportDeck(ctx context.Context, in DeckImport) (*DeckImported, error) {
	cat, now := r.Backend.Catalog(), r.Now()
	deck := cat.Deck(in.Deck)
	if deck == nil {
		return nil, events.NotFound("there is no deck %.80q", in.Deck)
	}
	mapping := cat.DeckMapping(in.Mapping)
	if in.Mapping != "" && mapping == nil {
		return nil, events.NotFound("there is no deck mapping %.80q", in.Mapping)
	}
	start := events.Micros(now)
	if !in.From.IsZero() {
		start = events.Micros(in.From)
	}
	var old []rating.Row
	if v := cat.VersionAt(deck.Id, start); v != nil {
		var err error
		if old, err = r.Backend.DeckRows(ctx, v); err != nil {
			return nil, err
		}
	}
	file := rating.NewSheet(deck, mapping)
	sheet.Read(in.Data, file)
	steps := file.Stage(old, start, in.RemoveMissing)
	out := &DeckImported{DryRun: in.DryRun, Counts: map[rating.ChangeKind]int{}}
	r.checkSteps(cat, deck, file, steps)
	out.compare(old, steps, file, deck, events.Micros(now), in.IgnoreNotice)
	for _, f := range file.Faults {
		out.Errors = append(out.Errors, ImportFault(f))
	}
	if out.ErrorCount = file.Faulty; out.ErrorCount > 0 {
		return out, nil
	}
	changes, blobs := deckVersions(cat, deck, steps, in.Source)
	for _, c := range changes {
		v := c.Change.Entity.GetDeckVersion()
		out.Versions = append(out.Versions, ImportedVersion{v.Number, events.Instant(v.EffectiveFromUs), int(v.Rows)})
	}
	if in.DryRun {
		var err error
		out.Traffic, err = r.reprice(ctx, deck, changes, steps)
		return out, err
	}
	for digest, data := range blobs {
		if err := r.Backend.StoreBlob(ctx, digest, data); err != nil {
			return nil, err
		}
	}
	reply, err := r.change(ctx, "import of "+in.Source, false, changes...)
	if err != nil {
		return nil, err
	}
	out.Position = reply.Position
	return out, r.Backend.Await(ctx, events.Position(reply.Position))
}

// checkSteps notes what the rows need and the catalog does not have.
func (r *Resolver) checkSteps(cat *catalog.State, deck *wire.Deck, file *rating.Sheet, steps []rating.Step) {
	for _, e := range file.Entries {
		if e.Origin != "" && cat.OriginSet(e.Origin) == nil {
			file.Fault(e.Line, "origin", events.NotFound("there is no origin set %.80q", e.Origin))
		}
	}
	if len(steps) == 0 {
		return
	}
	for _, v := range cat.Versions(deck.Id) {
		if v.EffectiveFromUs > steps[0].FromUS {
			file.Fault(0, "effective_from", events.Invalid("version %d of the deck takes effect at %s and would overlap; import from then on",
				v.Number, events.Instant(v.EffectiveFromUs).Format(time.RFC3339)))
		}
	}
}

// compare fills in the difference and notes increases without notice.
func (o *DeckImported) compare(old []rating.Row, steps []rating.Step, file *rating.Sheet, deck *wire.Deck, nowUS int64, ignore bool) {
	var d rating.Difference
	for _, s := range steps {
		d.Compare(old, s)
		old = s.Rows
	}
	if d.Counts != nil {
		o.Counts = d.Counts
	}
	for _, c := range d.Changes[:min(len(d.Changes), maxShown)] {
		o.Changes = append(o.Changes, importedChange(c))
	}
	if ignore || deck.NoticeDays == 0 {
		return
	}
	lines := map[string]int{}
	for i := range file.Entries {
		lines[file.Entries[i].Scope()] = file.Entries[i].Line
	}
	for _, c := range d.Notice(nowUS, deck.NoticeDays) {
		file.Fault(lines[c.After.Scope()], "price", events.Invalid("prefix %s becomes dearer at %s, without %d days' notice",
			c.After.Scope(), events.Instant(c.FromUS).Format(time.RFC3339), deck.NoticeDays))
	}
}

func importedChange(c rating.Change) ImportedChange {
	out := ImportedChange{Kind: c.Kind, EffectiveFrom: events.Instant(c.FromUS)}
	for _, row := range []*rating.Row{c.Before, c.After} {
		if row != nil {
			out.Prefix, out.Origin, out.Band = row.Prefix, row.Origin, row.Band
		}
	}
	if c.Before != nil {
		out.Before = c.Before.PriceNext.Short()
	}
	if c.After != nil {
		out.After = c.After.PriceNext.Short()
	}
	return out
}

// deckVersions makes the change set of an import and the blobs that it names.
func deckVersions(cat *catalog.State, deck *wire.Deck, steps []rating.Step, source string) ([]*wire.ExpectedChange, map[[32]byte][]byte) {
	number := uint64(len(cat.Versions(deck.Id)))
	var changes []*wire.ExpectedChange
	blobs := map[[32]byte][]byte{}
	for _, s := range steps {
		number++
		data := rating.Canonical(s.Rows)
		digest := sha256.Sum256(data)
		blobs[digest] = data
		v := &wire.DeckVersion{
			Id: catalog.VersionID(deck.Id, number), Deck: deck.Id, Number: number, Digest: digest[:],
			Rows: uint32(len(s.Rows)), EffectiveFromUs: s.FromUS, Source: source,
		}
		v.Bands, v.OriginSets = rating.Named(s.Rows)
		changes = append(changes, &wire.ExpectedChange{Absent: true, Change: &wire.Change{Entity: catalog.EntityOf(v)}})
	}
	return changes, blobs
}

// RepricedPrefix is what last week's calls to a prefix cost, and what they would
// cost by the new prices.
type RepricedPrefix struct {
	Prefix   string `json:"prefix"`
	Currency string `json:"currency"`
	Calls    int    `json:"calls"`
	Unpriced int    `json:"unpriced"`
	Old      string `json:"old"`
	New      string `json:"new"`

	before, after money.Amount
}

func (p *RepricedPrefix) finish() {
	p.Old, p.New = p.before.String(), p.after.String()
}

// dearest sorts by what changes most.
func dearest(list []*RepricedPrefix) []RepricedPrefix {
	size := func(p *RepricedPrefix) money.Amount { return max(p.after-p.before, p.before-p.after) }
	slices.SortFunc(list, func(a, b *RepricedPrefix) int {
		if d := size(b) - size(a); d != 0 {
			return int(min(1, max(-1, d)))
		}
		return slices.Compare([]byte(a.Prefix), []byte(b.Prefix))
	})
	var out []RepricedPrefix
	for _, p := range list[:min(len(list), maxShown)] {
		p.finish()
		out = append(out, *p)
	}
	return out
}

// Rows are the rows of a deck's version; 0 is the one in force.
func (r *Resolver) Rows(ctx context.Context, deck string, number uint64) ([]rating.Row, error) {
	cat := r.Backend.Catalog()
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
