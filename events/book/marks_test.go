package book_test

import (
	"testing"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/book"
	"github.com/tollbook/tollbook/events/journal"
	"github.com/tollbook/tollbook/events/state"
)

// TestMarks has two nodes follow one book, and a third one that was told of another
// payment at its end.
func TestMarks(t *testing.T) {
	store, another := memory(), memory()
	k, _ := keep(t, store, "n1")
	world(t, k, 60_000)
	k, _ = keep(t, another, "n1")
	world(t, k, 70_000)
	right, wrong := blocks(t, store), blocks(t, another)
	follow := func(last journal.Block) *book.Follower {
		f := book.NewFollower(state.New(), journal.Cursor{})
		for i, b := range append(right[:len(right)-1:len(right)-1], last) {
			b.Time = b.Time.Add(time.Duration(i) * time.Second)
			if _, err := f.Apply(b); err != nil {
				t.Fatal(err)
			}
		}
		return f
	}
	followers := []*book.Follower{follow(right[len(right)-1]), follow(right[len(right)-1])}
	other := follow(wrong[len(wrong)-1])
	end := journal.Block{Journal: book.Journal}
	for _, f := range append(followers, other) {
		pos, at := f.Position()
		end.Number, end.First, end.Time = uint64(len(right))+1, uint64(pos)+1, at.Add(time.Hour)
		if _, err := f.Apply(end); err != nil {
			t.Fatal(err)
		}
	}
	ours := followers[0].Marks()
	if d, common := ours.Compare(followers[1].Marks().Last(100)); d != nil || common < 2 {
		t.Fatalf("two equal folds: %+v, %d in common", d, common)
	}
	d, _ := ours.Compare(other.Marks().Last(100))
	pos, _ := followers[0].Position()
	if d == nil || d.At != pos || d.After == 0 || d.After >= d.At || d.Ours == d.Theirs {
		t.Fatalf("a fold that is wrong: %+v", d)
	}
	if d, common := ours.Compare([]book.Mark{{Position: events.Position(1 << 40), Hash: "x"}}); d != nil || common != 0 {
		t.Fatal("a position that only one has is compared")
	}
}

func blocks(t *testing.T, store journal.Store) (list []journal.Block) {
	t.Helper()
	if _, err := journal.Read(t.Context(), store, book.Journal, journal.Cursor{}, func(b journal.Block) error {
		list = append(list, b)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return list
}
