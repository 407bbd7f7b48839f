package book

import (
	"context"
	"slices"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/journal"
	"github.com/tollbook/tollbook/events/state"
)

// pastDay and pastEvery are how far the marks of a Past reach back behind its newest, and
// how far two of them are apart.
const (
	pastDay   = 24 * time.Hour
	pastEvery = time.Minute
)

// Past is what a program made of the last day of the book, for the next program: the same
// events must give it the same states.
type Past struct {
	// Build is the program that gave the marks.
	Build string `json:"build"`
	// Fold is the version of its fold, as its snapshots name it.
	Fold string `json:"fold"`
	// DayUS is the time of the newest of the states that are kept a day apart; before the
	// first one, when marks were first left.
	DayUS int64 `json:"day_us"`
	// Marks are in the order of the book, about one a minute of block time.
	Marks []Mark `json:"marks"`
}

// Add takes marks in the order of the book, those that it knows already among them, and
// forgets what is older than a day.
func (p *Past) Add(marks []Mark) {
	for _, m := range marks {
		last := Mark{}
		if len(p.Marks) > 0 {
			last = p.Marks[len(p.Marks)-1]
		}
		if m.Position > last.Position && m.TimeUS >= last.TimeUS+pastEvery.Microseconds() {
			p.Marks = append(p.Marks, m)
		}
	}
	if len(p.Marks) > 0 {
		oldest := p.Marks[len(p.Marks)-1].TimeUS - pastDay.Microseconds()
		p.Marks = slices.DeleteFunc(p.Marks, func(m Mark) bool { return m.TimeUS < oldest })
	}
}

// Check is a comparison of a fold with a Past. The zero Check has nothing to compare with.
type Check struct {
	rest []Mark
	// Common is at how many positions both were looked at.
	Common int
	// From and To are the first and the last of them.
	From, To events.Position
	// Differs is the first difference, nil if there is none.
	Differs *Difference
}

// Check begins a comparison.
func (p Past) Check() *Check { return &Check{rest: p.Marks} }

// See compares a state that is on its way.
func (c *Check) See(st *state.State) {
	for len(c.rest) > 0 && c.rest[0].Position < st.Position {
		c.rest = c.rest[1:]
	}
	if len(c.rest) == 0 || c.rest[0].Position != st.Position || c.Differs != nil {
		return
	}
	m := c.rest[0]
	c.Common++
	if c.From == 0 {
		c.From = m.Position
	}
	if ours := st.Hash().String(); ours != m.Hash {
		c.Differs = &Difference{After: c.To, At: m.Position, Ours: ours, Theirs: m.Hash}
	}
	c.To = m.Position
}

// Fold reads the book from a place, to which st is folded, to its end, into st. It gives
// the place that it came to. Before each block, and at the end, see looks at the state,
// unless it is nil.
func Fold(ctx context.Context, store journal.Store, st *state.State, from journal.Cursor, see func(*state.State)) (journal.Cursor, error) {
	if see == nil {
		see = func(*state.State) {}
	}
	end, err := journal.Read(ctx, store, Journal, from, func(b journal.Block) error {
		evs, err := b.Decode()
		if err != nil {
			return err
		}
		see(st)
		return evolve(st, b, evs)
	})
	if err == nil {
		see(st)
	}
	return end, err
}
