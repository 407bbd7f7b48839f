package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Report is what Verify found in a stream.
type Report struct {
	// Stream is the stream's name.
	Stream string
	// Journals are those in the stream and those that heads.log remembers.
	Journals []JournalReport
}

// JournalReport is what Verify found in one journal.
type JournalReport struct {
	Journal string
	// Base is the place behind the last block that was trimmed, or the one that
	// OpenFrom was told to trust: the check begins there.
	Base Cursor
	// Blocks and Events count what was checked.
	Blocks, Events uint64
	// End is the place behind the last sound block, with its hash.
	End Cursor
	// Heads counts the blocks that were compared with heads.log.
	Heads uint64
	// Behind is how many acknowledged blocks, that heads.log knows, this replica of a
	// cluster's stream does not have yet: the others have them. Of a node alone it is 0.
	Behind uint64
	// Broken is nil for a sound journal.
	Broken *Broken
}

// Verify reads every journal of a stream and checks the whole chain, and each
// block that is remembered against heads. All journals are checked even if one
// is broken; the error then is the first *Broken.
func Verify(ctx context.Context, store Store, heads HeadSet) (Report, error) {
	return verifyFrom(ctx, store, heads, nil)
}

// verifyFrom checks what lies behind places that are trusted. A journal whose place
// does not fit the stream is checked whole: that finds out what is wrong, and where.
func verifyFrom(ctx context.Context, store Store, heads HeadSet, trusted map[string]Cursor) (Report, error) {
	report := Report{Stream: store.Name()}
	journals, err := store.Subjects(ctx)
	if err != nil {
		return report, fmt.Errorf("verify %s: %w", store.Name(), err)
	}
	journals = append(journals, heads.Journals(store.Name())...)
	slices.Sort(journals)
	var first error
	for _, journal := range slices.Compact(journals) {
		base := heads.Base(journal)
		if at := trusted[journal]; at.Number > base.Number && CheckCursor(ctx, store, journal, at) == nil {
			base = at
		}
		found, err := verifyJournal(ctx, store, journal, heads, base)
		report.Journals = append(report.Journals, found)
		if err != nil && found.Broken == nil {
			return report, fmt.Errorf("verify %s: %w", store.Name(), err)
		}
		if first == nil {
			first = err
		}
	}
	return report, first
}

func verifyJournal(ctx context.Context, store Store, journal string, heads HeadSet, base Cursor) (JournalReport, error) {
	r := JournalReport{Journal: journal, Base: base}
	remembered, last := heads.of(journal)
	at := r.Base
	check := func(b Block) error {
		if h, ok := remembered[b.Number]; ok {
			if h.Hash != b.Hash || h.Sequence != b.Sequence {
				return at.broken(journal, b.Sequence, "the block has hash %s at sequence %d, heads.log remembers %s at %d", b.Hash.Short(), b.Sequence, h.Hash.Short(), h.Sequence)
			}
			r.Heads++
		}
		at = b.Cursor()
		r.Blocks++
		r.Events += uint64(len(b.Events))
		return nil
	}
	_, err := Read(ctx, store, journal, r.Base, check)
	switch {
	case err != nil || last.Number <= at.Number:
	case heads.replica:
		r.Behind = last.Number - at.Number
	default:
		err = at.broken(journal, at.Sequence, "the stream ends here, heads.log remembers blocks up to %d (position %d)", last.Number, last.Position)
	}
	r.End = at
	errors.As(err, &r.Broken)
	return r, err
}

// Open verifies a stream against the node's heads before it is used: the error
// names the first position that is lost or wrong, and then nothing may be
// written. Blocks that were acknowledged and not yet remembered are remembered
// now. It reads the whole stream, about 100,000 blocks a second.
func Open(ctx context.Context, store Store, heads *Heads) (Report, error) {
	return OpenFrom(ctx, store, heads, nil)
}

// OpenFrom is Open for a node that has snapshots: it reads of each journal only what
// lies behind a trusted place, as long as the block there still has its hash. The
// whole stream is then to be checked later, with Verify of the Gentle store.
func OpenFrom(ctx context.Context, store Store, heads *Heads, trusted map[string]Cursor) (Report, error) {
	set, err := heads.Set()
	if err != nil {
		return Report{}, err
	}
	report, err := verifyFrom(ctx, store, set, trusted)
	if err != nil {
		return report, err
	}
	for _, j := range report.Journals {
		if j.End.Number == 0 {
			continue
		}
		if err := heads.Record(store.Name(), j.Journal, j.End); err != nil {
			return report, err
		}
	}
	return report, nil
}
