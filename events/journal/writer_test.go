package journal

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestWriterContinues(t *testing.T) {
	s := memory(t)
	write(t, openWriter(t, s, "book", nil), 5)
	w := openWriter(t, s, "book", nil)
	c := write(t, w, 5)
	if c.Number != 10 || c.Position != 20 || c.First != 19 || c.Sequence != 10 || c.Events != 2 {
		t.Fatalf("%+v", c)
	}
	end, blocks := readAll(t, s, "book", Cursor{})
	if end != c.Cursor || blocks != 10 || w.Cursor() != end {
		t.Fatalf("%+v, %d blocks, want %+v", end, blocks, c.Cursor)
	}
	if want := noon().Add(9 * time.Microsecond).UnixMicro(); end.Time != want {
		t.Fatalf("time %d, want %d", end.Time, want)
	}
}

func TestEmptyBlockNamesTheNextPosition(t *testing.T) {
	s := memory(t)
	w := openWriter(t, s, "book", nil)
	for _, events := range [][][]byte{{}, {event(1)}, nil, {event(2)}} {
		if _, err := w.Append(t.Context(), noon(), 1, events); err != nil {
			t.Fatal(err)
		}
	}
	if end, blocks := readAll(t, s, "book", Cursor{}); end.Position != 2 || blocks != 4 {
		t.Fatalf("%+v, %d blocks", end, blocks)
	}
}

func TestWriterLimits(t *testing.T) {
	w := openWriter(t, memory(t), "book", nil)
	big := make([]byte, MaxEvent)
	for name, events := range map[string][][]byte{
		"event": {make([]byte, MaxEvent+1)},
		"block": {big, big, big, big, big, big, big, big},
	} {
		if _, err := w.Append(t.Context(), noon(), 1, events); !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "limit") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if c, err := w.Append(t.Context(), noon(), 1, [][]byte{big, big, big, big, big, big, big}); err != nil || c.Number != 1 {
		t.Fatal(c, err)
	}
	if _, err := w.Append(t.Context(), noon(), 0, nil); err == nil {
		t.Error("a lower epoch was taken")
	}
}

func TestSecondWriterIsFenced(t *testing.T) {
	s := memory(t)
	a, b := openWriter(t, s, "book", nil), openWriter(t, s, "book", nil)
	write(t, a, 1)
	for range 2 {
		if _, err := b.Append(t.Context(), noon(), 1, [][]byte{event(1)}); !errors.Is(err, ErrFenced) {
			t.Fatal(err)
		}
	}
	write(t, a, 1)
	readAll(t, s, "book", Cursor{})
}

// faulty is a store that does to each append what a network and an election may
// do.
type faulty struct {
	Store
	// next gives the fault of an append; it is called for each attempt.
	next func(attempt int) fault
	n    int
}

type fault int

const (
	fine      fault = iota
	lostAck         // stored, the acknowledgement is lost
	lostSend        // not stored, nothing heard
	twice           // stored, then sent again: the second answer is heard
	unsure          // not stored, 10071 heard though the sequence is right
	overtaken       // another writer's block is stored first
	late            // nothing heard; stored when the next attempt comes
)

func (f *faulty) Append(ctx context.Context, a Append) (Ack, error) {
	f.n++
	timeout := errors.New("no acknowledgement in time")
	switch f.next(f.n) {
	case lostAck:
		if _, err := f.Store.Append(ctx, a); err != nil {
			return Ack{}, err
		}
		return Ack{}, timeout
	case lostSend:
		return Ack{}, timeout
	case twice:
		if _, err := f.Store.Append(ctx, a); err != nil {
			return Ack{}, err
		}
	case unsure:
		return Ack{}, ErrExpected
	case late:
		before := f.next
		f.next = func(attempt int) fault {
			f.next = before
			_, _ = f.Store.Append(context.WithoutCancel(ctx), a)
			return before(attempt)
		}
		return Ack{}, timeout
	case overtaken:
		other, err := OpenWriter(ctx, f.Store, WriterOptions{Journal: a.Subject, Node: "n2"})
		if err != nil {
			return Ack{}, err
		}
		if _, err := other.Append(ctx, noon(), 7, [][]byte{[]byte("theirs")}); err != nil {
			return Ack{}, err
		}
		return Ack{}, timeout
	}
	return f.Store.Append(ctx, a)
}

func TestAmbiguousPublish(t *testing.T) {
	for name, faults := range map[string][]fault{
		"fine":                 {fine},
		"lost acknowledgement": {lostAck, fine},
		"lost message":         {lostSend, fine},
		"lost thrice":          {lostSend, lostSend, lostSend, fine},
		"sent twice":           {twice},
		"proposal counter":     {unsure, unsure, fine},
		"lost then duplicate":  {lostAck, twice},
		"stored late":          {late, lostSend},
		"all of it":            {lostSend, unsure, lostAck, lostSend, fine},
	} {
		t.Run(name, func(t *testing.T) {
			mem := memory(t)
			f := &faulty{Store: mem, next: func(n int) fault { return faults[(n-1)%len(faults)] }}
			w := openWriter(t, f, "book", nil)
			write(t, w, 6)
			end, blocks := readAll(t, mem, "book", Cursor{})
			if blocks != 6 || end != w.Cursor() {
				t.Fatalf("%d blocks, end %+v, writer at %+v", blocks, end, w.Cursor())
			}
		})
	}
}

func TestOvertakenWriterIsFenced(t *testing.T) {
	for name, faults := range map[string][]fault{
		"at once":   {overtaken},
		"in doubt":  {lostSend, unsure, overtaken},
		"same time": {unsure, overtaken},
	} {
		t.Run(name, func(t *testing.T) {
			mem := memory(t)
			f := &faulty{Store: mem, next: func(n int) fault { return faults[min(n-1, len(faults)-1)] }}
			w := openWriter(t, f, "book", nil)
			_, err := w.Append(t.Context(), noon(), 1, [][]byte{event(1)})
			if !errors.Is(err, ErrFenced) || !strings.Contains(err.Error(), "n2") {
				t.Fatal(err)
			}
			if end, err := End(t.Context(), mem, "book"); err != nil || end.Number != 1 || end.Epoch != 7 {
				t.Fatal(end, err)
			}
		})
	}
}

func TestSettleAfterDoubt(t *testing.T) {
	mem := memory(t)
	down := true
	f := &faulty{Store: mem, next: func(int) fault {
		if down {
			return lostSend
		}
		return fine
	}}
	w := openWriter(t, f, "book", nil)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := w.Append(ctx, noon(), 1, [][]byte{event(1)}); !errors.Is(err, ErrInDoubt) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	if _, err := w.Append(t.Context(), noon(), 1, nil); !errors.Is(err, ErrInDoubt) {
		t.Fatal(err)
	}
	down = false
	c, err := w.Settle(t.Context())
	if err != nil || c.Number != 1 || c.First != 1 || c.Events != 1 {
		t.Fatal(c, err)
	}
	if _, err := w.Append(t.Context(), noon(), 1, [][]byte{event(2)}); err != nil {
		t.Fatal(err)
	}
	if _, blocks := readAll(t, mem, "book", Cursor{}); blocks != 2 {
		t.Fatal(blocks)
	}
}
