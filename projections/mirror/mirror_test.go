package mirror_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/journal"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/projections/mirror"
	"github.com/tollbook/tollbook/projections/sinktest"
)

const stream = "tollbook-book"

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// rig is a book and a server.
type rig struct {
	*testing.T
	server *sinktest.EventStore
	store  journal.Store
	writer *journal.Writer
	made   int
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, server: sinktest.StartEventStore(t), store: journal.NewMemory("BOOK", "book")}
	var err error
	if r.writer, err = journal.OpenWriter(t.Context(), r.store, journal.WriterOptions{Journal: "book", Node: "n1"}); err != nil {
		t.Fatal(err)
	}
	return r
}

// block writes a block of postings; one in five has texts that are none of JSON's easy ones.
func (r *rig) block(count int) {
	r.Helper()
	var all [][]byte
	for range count {
		r.made++
		reason := "Bank transfer"
		if r.made%5 == 0 {
			reason = "„Überweisung“ \u2028 <b>&amp;</b> \"' " + strings.Repeat("x", 4000)
		}
		b, err := events.Marshal(&wire.Event{Actor: "user:fiona", Body: &wire.Event_MoneyPosted{MoneyPosted: &wire.MoneyPosted{
			Kind: wire.PostingKind_POSTING_KIND_CREDIT, Reason: reason, Reference: fmt.Sprint(r.made),
			Postings: []*wire.Posting{{Account: "acme", Currency: "USD", AmountMicro: 1 << 60}, {Account: "own/payments/USD", Currency: "USD", AmountMicro: -(1 << 60)}},
		}}})
		if err != nil {
			r.Fatal(err)
		}
		all = append(all, b)
	}
	r.blockOf(all)
}

func (r *rig) blockOf(all [][]byte) {
	r.Helper()
	if _, err := r.writer.Append(r.Context(), noon.Add(time.Duration(r.made)*time.Second), 1, all); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) open(url string) *mirror.Mirror {
	r.Helper()
	m, err := mirror.Open(mirror.Config{URL: url, Stream: stream, Log: slog.New(slog.NewTextHandler(r.Output(), nil))}, r.store, "book")
	if err != nil {
		r.Fatal(err)
	}
	return m
}

// copied has a new mirror copy until the stream has everything, or it fails.
func (r *rig) copied(want int) error {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), 20*time.Second)
	defer cancel()
	done := make(chan error, 1)
	m := r.open(r.server.URL)
	go func() { done <- m.Copy(ctx) }()
	for {
		select {
		case err := <-done:
			return err
		case <-time.After(5 * time.Millisecond):
			if r.server.Count(stream) >= want && m.Stats().Position == int64(want) {
				cancel()
				return <-done
			}
		}
	}
}

// equal compares everything.
func (r *rig) equal(want int) {
	r.Helper()
	n, err := r.open(r.server.URL).Compare(r.Context())
	if err != nil || n != (mirror.Compared{Events: uint64(want)}) {
		r.Fatalf("%+v of %d, %v", n, want, err)
	}
}

// TestTheBookIsCopied: in blocks larger than a server takes at once, on from the end, from the
// middle of a block, with the answers of appends lost.
func TestTheBookIsCopied(t *testing.T) {
	r := newRig(t)
	r.block(1)
	for range 4 {
		r.block(425) // more than one append takes
	}
	r.blockOf(nil)
	r.block(3)
	if err := r.copied(1704); err != nil {
		t.Fatal(err)
	}
	r.equal(1704)
	if err := r.copied(1704); err != nil { // there is nothing to do
		t.Fatal(err)
	}
	r.server.Cut(stream, 900) // as if it had been killed within a block
	r.block(2)
	r.server.Lose(1)
	if err := r.copied(1706); err == nil {
		t.Fatal("a lost answer was none")
	}
	if got := r.server.Count(stream); got <= 900 {
		t.Fatalf("%d events after a lost answer", got)
	}
	if err := r.copied(1706); err != nil {
		t.Fatal(err)
	}
	r.equal(1706)
}

// TestRunGoesOn: a server that is away for a while costs nothing but time.
func TestRunGoesOn(t *testing.T) {
	r := newRig(t)
	r.block(5)
	m := r.open(r.server.URL)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { m.Run(ctx); close(done) }()
	wait := func(what string, is func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal(what, m.Stats())
			}
		}
	}
	wait("copied", func() bool { return m.Stats().Position == 5 })
	r.server.Stop()
	r.block(7)
	wait("the failure is counted", func() bool { return m.Stats().Failures > 0 })
	r.server.Start()
	wait("copied again", func() bool { return m.Stats().Position == 12 })
	cancel()
	<-done
	r.equal(12)
}

// TestNotACopy: what differs is named, and nothing is appended behind it.
func TestNotACopy(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(r *rig)
		says  string
		// tail says that already the last event shows it.
		tail bool
	}{
		"an amount": {func(r *rig) {
			r.server.Change(stream, 3, func(b []byte) []byte {
				return bytes.Replace(b, []byte("1152921504606846976"), []byte("1152921504606846975"), 1)
			})
		}, "position 4", false},
		"the last one": {func(r *rig) {
			r.server.Change(stream, 9, func(b []byte) []byte { return bytes.Replace(b, []byte("fiona"), []byte("mallory"), 1) })
		}, "position 10", true},
		"another book": {func(r *rig) {
			r.store = journal.NewMemory("BOOK", "book")
			r.writer, _ = journal.OpenWriter(r.Context(), r.store, journal.WriterOptions{Journal: "book", Node: "n1"})
			r.made = 100
			r.block(10)
		}, "position 1 ", true},
		"a shorter book": {func(r *rig) {
			r.store = journal.NewMemory("BOOK", "book")
			r.writer, _ = journal.OpenWriter(r.Context(), r.store, journal.WriterOptions{Journal: "book", Node: "n1"})
			r.made = 0
			r.block(4)
		}, "behind position 4", true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.block(4)
			r.block(6)
			if err := r.copied(10); err != nil {
				t.Fatal(err)
			}
			test.spoil(r)
			_, err := r.open(r.server.URL).Compare(t.Context())
			if !errors.Is(err, mirror.ErrDiffers) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("compared: %v", err)
			}
			if !test.tail {
				return
			}
			if err := r.copied(11); !errors.Is(err, mirror.ErrDiffers) || r.server.Count(stream) != 10 {
				t.Errorf("copied: %v, %d events", err, r.server.Count(stream))
			}
		})
	}
}

// TestEveryByteIsKept: what JSON would lose comes as the book's own bytes.
func TestEveryByteIsKept(t *testing.T) {
	r := newRig(t)
	later := []byte{0x0a, 0x01, 'x', 0xfa, 0x3f, 0x02, 'h', 'i'} // an actor, and a field of a later version
	r.blockOf([][]byte{later})
	r.made++
	r.block(1)
	if err := r.copied(2); err != nil {
		t.Fatal(err)
	}
	r.equal(2)
}

// TestRealEventStore copies to a server that is not ours.
func TestRealEventStore(t *testing.T) {
	url := sinktest.EventStoreURL()
	if url == "" {
		t.Skip("NO EVENTSTORE: TOLLBOOK_TEST_EVENTSTORE names no server")
	}
	r := newRig(t)
	for range 3 {
		r.block(400)
	}
	m, err := mirror.Open(mirror.Config{URL: url, Stream: fmt.Sprintf("tollbook-test-%d", time.Now().UnixNano()), Log: slog.New(slog.NewTextHandler(t.Output(), nil))}, r.store, "book")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Copy(ctx) }()
	for end := time.Now().Add(time.Minute); m.Stats().Position < 1200 && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n, err := m.Compare(t.Context()); err != nil || n.Events != 1200 {
		t.Fatal(n, err)
	}
}

func TestBadConnectionStrings(t *testing.T) {
	for _, url := range []string{"", "http://x", "esdb://", "esdb://host:2113?tls=perhaps"} {
		if _, err := mirror.Open(mirror.Config{URL: url, Stream: stream, Log: slog.New(slog.DiscardHandler)}, nil, "book"); err == nil {
			t.Errorf("%q was taken", url)
		}
	}
}
