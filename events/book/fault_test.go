package book_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/book"
	"github.com/tollbook/tollbook/events/journal"
	"github.com/tollbook/tollbook/events/wire"
)

// faulty loses messages and acknowledgements, as a network and an election do.
type faulty struct {
	journal.Store
	mu   sync.Mutex
	dice *rand.Rand
	n    int // faults so far
}

func (f *faulty) Append(ctx context.Context, a journal.Append) (journal.Ack, error) {
	f.mu.Lock()
	kind := f.dice.IntN(6)
	if kind < 4 {
		f.n++
	}
	f.mu.Unlock()
	lost := errors.New("no answer in time")
	switch kind {
	case 0: // the message is lost
		return journal.Ack{}, lost
	case 1: // the acknowledgement is lost
		if _, err := f.Store.Append(ctx, a); err != nil {
			return journal.Ack{}, err
		}
		return journal.Ack{}, lost
	case 2: // the message is sent twice
		if _, err := f.Store.Append(ctx, a); err != nil {
			return journal.Ack{}, err
		}
	case 3: // an old leader's word
		return journal.Ack{}, journal.ErrExpected
	}
	return f.Store.Append(ctx, a)
}

func TestAmbiguousPublishes(t *testing.T) {
	store := memory()
	k, stop := keep(t, store, "n1")
	world(t, k, 10*60_000)
	stop()
	bad := &faulty{Store: store, dice: rand.New(rand.NewPCG(1, 2))}
	k, _ = keep(t, bad, "n1")
	served := make(chan bool, 40)
	var all sync.WaitGroup
	for n := range 40 {
		all.Go(func() {
			_, err := ask(t.Context(), k, name("hold", n), hold(n))
			if err != nil && events.CodeOf(err) != events.CodeInsufficientFunds {
				t.Error(err)
			}
			served <- err == nil
		})
	}
	for n := range 10 {
		must(t, k, name("credit", n), credit(1))
	}
	all.Wait()
	close(served)
	yes := 0
	for s := range served {
		if s {
			yes++
		}
	}
	st, _ := fold(t, store)
	if a := st.Ledger.Balance("a"); yes != 10 || a.Calls != 10 || a.Posted != 600_010 {
		t.Errorf("%d served, %+v", yes, a)
	}
	if bad.n == 0 {
		t.Error("nothing went wrong: the test tests nothing")
	}
}

// slow holds each message until it is let through, or the context ends; or, told
// to store first, its acknowledgement.
type slow struct {
	journal.Store
	waiting    chan struct{}
	pass       chan struct{}
	storeFirst atomic.Bool
}

func (s *slow) Append(ctx context.Context, a journal.Append) (journal.Ack, error) {
	select {
	case s.waiting <- struct{}{}:
	case <-ctx.Done():
		return journal.Ack{}, ctx.Err()
	}
	if s.storeFirst.Load() {
		if _, err := s.Store.Append(ctx, a); err != nil {
			return journal.Ack{}, err
		}
	}
	select {
	case <-s.pass:
		return s.Store.Append(ctx, a)
	case <-ctx.Done():
		return journal.Ack{}, ctx.Err()
	}
}

// TestANoWaitsLikeAYes: neither is said before its block is committed.
func TestANoWaitsLikeAYes(t *testing.T) {
	store := memory()
	k, stop := keep(t, store, "n1")
	world(t, k, 60_000)
	must(t, k, "hold 1", hold(1))
	stop()
	gate := &slow{Store: store, waiting: make(chan struct{}), pass: make(chan struct{})}
	go func() { <-gate.waiting; gate.pass <- struct{}{} }() // the term's opening
	k, _ = keep(t, gate, "n1")
	for what, c := range map[string]*wire.Command{"a yes": credit(5), "a no": hold(2), "a repeat": hold(1), "nonsense": {}} {
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			_, _ = ask(t.Context(), k, what, c)
		}()
		<-gate.waiting // the block is on its way
		select {
		case <-answered:
			t.Errorf("%s was said before its block was committed", what)
		default:
		}
		gate.pass <- struct{}{}
		<-answered
	}
}

// TestEndInDoubt stops a keeper while its block is on its way: its callers are
// told that nothing is known, and the next keeper finds what became of it.
func TestEndInDoubt(t *testing.T) {
	for _, stored := range []bool{false, true} {
		store := memory()
		k, stop := keep(t, store, "n1")
		world(t, k, 60_000)
		stop()
		gate := &slow{Store: store, waiting: make(chan struct{}, 100), pass: make(chan struct{}, 1)}
		gate.pass <- struct{}{} // the term's opening
		k, stop = keep(t, gate, "n1")
		<-gate.waiting
		gate.storeFirst.Store(stored)
		told := make(chan error, 1)
		go func() {
			_, err := ask(t.Context(), k, "hold 1", hold(1))
			told <- err
		}()
		<-gate.waiting
		if stored { // wait until it is
			for st, _ := fold(t, store); st.Ledger.Balance("a").Calls == 0; st, _ = fold(t, store) {
				time.Sleep(time.Millisecond)
			}
		}
		stop()
		if err := <-told; events.CodeOf(err) != events.CodeUnavailable {
			t.Errorf("stored: %v, told %v", stored, err)
		}
		k, _ = keep(t, store, "n2")
		if reply := must(t, k, "hold 1", hold(1)); reply.Repeated != stored {
			t.Errorf("stored: %v, repeated: %v", stored, reply.Repeated)
		}
	}
}

// TestRestart stops the server under load and starts it again: what was
// acknowledged is there, and the fold is the same.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	s := server(t, dir)
	k, stop := keep(t, stream(t, s), "n1")
	world(t, k, 1_000_000_000)
	acknowledged := make(chan int, 1000)
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for n := worker; n < 1000; n += 8 {
				if _, err := ask(t.Context(), k, name("hold", n), hold(n)); err != nil {
					return
				}
				acknowledged <- n
			}
		})
	}
	for len(acknowledged) < 40 {
		time.Sleep(time.Millisecond)
	}
	s.Stop()
	stop()
	all.Wait()
	close(acknowledged)

	store := stream(t, server(t, dir))
	st, _ := fold(t, store)
	seen := 0
	for n := range acknowledged {
		seen++
		if _, ok := st.Ledger.Hold(events.CallID(call(n))); !ok {
			t.Errorf("the acknowledged hold %d is lost", n)
		}
	}
	if seen < 40 {
		t.Fatalf("only %d holds were acknowledged", seen)
	}
	again, _ := fold(t, store)
	if st.Hash() != again.Hash() || st.Hash() != st.Rehash() {
		t.Error("two folds of one journal differ")
	}
	k, _ = keep(t, store, "n1")
	if reply := must(t, k, "hold 0", hold(0)); !reply.Repeated {
		t.Errorf("%v", reply)
	}
}

// TestRemote asks the keeper over NATS.
func TestRemote(t *testing.T) {
	s := server(t, t.TempDir())
	remote := book.Remote(s, "n2")
	key := events.KeyOf("credit")
	c := &wire.Command{Key: key[:], Actor: "test", Body: credit(5).Body}
	soon := func() context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	if _, err := remote.Execute(soon(), c); events.CodeOf(err) != events.CodeUnavailable {
		t.Errorf("without a keeper: %v", err)
	}
	k, stop := keep(t, stream(t, s), "n1")
	local, hush, err := book.Serve(t.Context(), s, k, "n1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := remote.Execute(t.Context(), c); events.CodeOf(err) != events.CodeNotFound {
		t.Errorf("without the account: %v", err)
	}
	world(t, k, 5)
	first, err := remote.Execute(t.Context(), c)
	if err != nil || first.Repeated {
		t.Fatal(first, err)
	}
	again, err := local.Execute(t.Context(), c)
	if err != nil || !again.Repeated || again.GetPosted().Position != first.GetPosted().Position {
		t.Error(again, err)
	}
	stop()
	for _, b := range []*book.Book{local, remote} {
		if _, err := b.Execute(soon(), c); events.CodeOf(err) != events.CodeUnavailable {
			t.Errorf("after the term: %v", err)
		}
	}
	if err := hush(); err != nil {
		t.Error(err)
	}
}

func TestFollower(t *testing.T) {
	store := memory()
	k, _ := keep(t, store, "n1")
	world(t, k, 60_000)
	must(t, k, "hold 1", hold(1))
	want, at := fold(t, store)

	st, _ := fold(t, memory())
	f := book.NewFollower(st, journal.Cursor{})
	waited := make(chan error, 1)
	go func() { waited <- f.Wait(t.Context(), want.Position) }()
	var blocks []journal.Block
	if _, err := journal.Read(t.Context(), store, book.Journal, journal.Cursor{}, func(b journal.Block) error {
		blocks = append(blocks, b)
		evs, err := f.Apply(b)
		if len(evs) != len(b.Events) {
			t.Errorf("%d events of %d", len(evs), len(b.Events))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; err != nil {
		t.Error(err)
	}
	data, cursor, err := f.Snapshot()
	if err != nil || cursor != at || len(data) == 0 {
		t.Error(cursor, err)
	}
	if pos, when := f.Position(); pos != want.Position || when.IsZero() || f.Catalog().Account("a") == nil {
		t.Errorf("position %d", pos)
	}
	// A block that comes again must not count again.
	_, _ = f.Apply(blocks[len(blocks)-1])
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Wait(ctx, want.Position+1); events.CodeOf(err) != events.CodeUnavailable {
		t.Error(err)
	}
	data2, _, err := f.Snapshot()
	if err != nil || string(data) != string(data2) {
		t.Error("the same block was folded twice", err)
	}
	gap := blocks[len(blocks)-1]
	gap.Number, gap.Events = gap.Number+2, nil
	if _, err := f.Apply(gap); err == nil {
		t.Error("a block was left out")
	}
	bad := blocks[len(blocks)-1]
	bad.Number, bad.First, bad.Events = bad.Number+1, uint64(want.Position)+1, [][]byte{{255}}
	if _, err := f.Apply(bad); err == nil {
		t.Error("noise was folded")
	}
}
