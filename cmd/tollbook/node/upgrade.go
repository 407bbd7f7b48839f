package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/tollbook/tollbook/events/book"
	"github.com/tollbook/tollbook/events/journal"
	"github.com/tollbook/tollbook/events/state"
)

const (
	// marksName names the snapshots of what a program made of the last day of the book,
	// marksVersion their form.
	marksName    = "marks"
	marksVersion = "1"
	// dayName names the states of the book that are a day apart: from the older of two
	// another program reads on to prove that it comes to the same.
	dayName  = "day"
	dayApart = 24 * time.Hour
	// mostNamed is how many differences of two states are told.
	mostNamed = 5
)

// Build names the program: its version, and the commit that it was made of where the
// toolchain knows it.
func Build() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) > 12 {
				return Version + "+" + s.Value[:12]
			}
		}
	}
	return Version
}

// upgrade is the comparison of this program with the last one that worked with the store,
// and what it leaves to the next one.
type upgrade struct {
	past  book.Past
	check *book.Check
	// last is the last state that the other program saved, and named what differs in this
	// program's.
	last  journal.Snapshot
	named []string
	err   error
}

// loadPast reads what the last program made of the book; nothing, if there is nothing that
// fits.
func (n *Node) loadPast(ctx context.Context) (past book.Past, err error) {
	snap, err := journal.LoadSnapshot(ctx, n.snapshotDir(), marksName, n.bookStore, book.Journal, marksVersion)
	if errors.Is(err, journal.ErrNoSnapshot) {
		return past, nil
	}
	if err != nil {
		return past, err
	}
	if err := json.Unmarshal(snap.Payload, &past); err != nil {
		return past, fmt.Errorf("read the marks of the last program: %w", err)
	}
	return past, nil
}

// beginUpgrade compares nothing where this program has worked with the store before.
func (n *Node) beginUpgrade(ctx context.Context) (*upgrade, error) {
	u := &upgrade{check: new(book.Check)}
	var err error
	if u.past, err = n.loadPast(ctx); err != nil || !u.is() {
		return u, err
	}
	u.check = u.past.Check()
	u.last, err = journal.LoadSnapshot(ctx, n.snapshotDir(), snapshotName, n.bookStore, book.Journal, u.past.Fold)
	if errors.Is(err, journal.ErrNoSnapshot) {
		err = nil // a difference is told by its place only
	}
	return u, err
}

// is says that another program has worked with the store.
func (u *upgrade) is() bool { return len(u.past.Marks) > 0 && u.past.Build != Build() }

// see looks at a state on its way.
func (u *upgrade) see(st *state.State) {
	u.check.See(st)
	if u.check.Differs == nil || u.named != nil || u.err != nil || uint64(st.Position) != u.last.At.Position {
		return
	}
	ours, err := st.Snapshot()
	if err == nil {
		u.named, err = state.Differences(ours, u.last.Payload, mostNamed)
	}
	u.err = err
}

// judge says how the comparison ended. That the book is another one now is an error
// unless it was accepted before.
func (u *upgrade) judge(n *Node) error {
	if u.err != nil {
		return fmt.Errorf("compare the states of two programs: %w", u.err)
	}
	d := u.check.Differs
	switch {
	case !u.is():
		return nil
	case d == nil:
		n.log.Info("this program makes the same of the last day of the book as the one before", "before", u.past.Build, "now", Build(),
			"compared", u.check.Common, "from", u.check.From, "to", u.check.To)
		return nil
	}
	text := fmt.Sprintf("program %s makes another state of the book than %s did: equal behind position %d, different behind %d (%s; it was %s)",
		Build(), u.past.Build, d.After, d.At, d.Ours, d.Theirs)
	if len(u.named) > 0 {
		text += "; at position " + fmt.Sprint(u.last.At.Position) + ":\n  " + strings.Join(u.named, "\n  ")
	}
	if !n.settings.AcceptFold {
		return fmt.Errorf("%s\nstart the other program again, or, if the difference is meant, this one with --accept-fold on every node", text)
	}
	n.log.Warn("another state of the book is accepted", "why", text)
	u.past = book.Past{}
	return errors.Join(journal.RemoveSnapshots(n.snapshotDir(), dayName), journal.RemoveSnapshots(n.snapshotDir(), snapshotName))
}

// savePast writes what this program makes of the last day, and once a day the state that
// the next one reads on from.
func (n *Node) savePast(payload []byte, at journal.Cursor) error {
	past := &n.upgrade.past
	past.Build, past.Fold = Build(), foldVersion()
	past.Add(n.follower.Marks().Last(book.KeptMarks))
	switch day := time.Duration(at.Time-past.DayUS) * time.Microsecond; {
	case past.DayUS == 0: // all that there are marks of is read from the beginning
		past.DayUS = at.Time
	case day >= dayApart:
		if err := n.saveSnapshot(dayName, foldVersion(), at, payload); err != nil {
			return err
		}
		past.DayUS = at.Time
	}
	text, err := json.Marshal(past)
	if err != nil {
		return fmt.Errorf("write the marks: %w", err)
	}
	return n.saveSnapshot(marksName, marksVersion, at, text)
}
