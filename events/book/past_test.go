package book_test

import (
	"testing"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/book"
	"github.com/tollbook/tollbook/events/journal"
	"github.com/tollbook/tollbook/events/state"
)

func TestPast(t *testing.T) {
	const minute = 60_000_000
	var p book.Past
	mark := func(position, timeUS int64) book.Mark {
		return book.Mark{Position: events.Position(position), Hash: "x", TimeUS: timeUS}
	}
	p.Add(nil)
	p.Add([]book.Mark{mark(1, minute), mark(2, minute+1), mark(3, 2*minute)})
	p.Add([]book.Mark{mark(2, minute+1), mark(3, 2*minute), mark(4, 3*minute)})
	if len(p.Marks) != 3 || p.Marks[1].Position != 3 || p.Marks[2].Position != 4 {
		t.Fatalf("one a minute, each once: %+v", p.Marks)
	}
	p.Add([]book.Mark{mark(9, 24*60*minute+2*minute)})
	if len(p.Marks) != 3 || p.Marks[0].Position != 3 {
		t.Fatalf("a day: %+v", p.Marks)
	}
}

// A fold is compared at the positions that both know, and its first difference is told.
func TestCheck(t *testing.T) {
	store := memory()
	k, _ := keep(t, store, "n1")
	world(t, k, 60_000)
	var states []book.Mark
	fold := func(see func(*state.State)) {
		t.Helper()
		if _, err := book.Fold(t.Context(), store, state.New(), journal.Cursor{}, see); err != nil {
			t.Fatal(err)
		}
	}
	fold(func(st *state.State) {
		states = append(states, book.Mark{Position: st.Position, Hash: st.Hash().String()})
	})
	if len(states) < 3 || states[len(states)-1].Position <= states[len(states)-2].Position {
		t.Fatalf("what a fold shows: %+v", states)
	}
	past := book.Past{Marks: states[1:]}
	c := past.Check()
	fold(c.See)
	if c.Differs != nil || c.Common != len(states)-1 || c.From != states[1].Position || c.To != states[len(states)-1].Position {
		t.Fatalf("the same: %+v", c)
	}
	past.Marks[1].Hash = "another"
	c = past.Check()
	fold(c.See)
	if d := c.Differs; d == nil || d.After != past.Marks[0].Position || d.At != past.Marks[1].Position || d.Theirs != "another" {
		t.Fatalf("another: %+v", c)
	}
	c = book.Past{}.Check()
	fold(c.See)
	if c.Differs != nil || c.Common != 0 {
		t.Fatalf("nothing to compare with: %+v", c)
	}
}
