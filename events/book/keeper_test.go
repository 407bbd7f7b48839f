package book_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/book"
	"github.com/tollbook/tollbook/events/journal"
	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
)

// TestConcurrentHolds lets many goroutines ask for calls at once. There is money
// for some of them, and exactly those are served.
func TestConcurrentHolds(t *testing.T) {
	eachStore(t, func(t *testing.T, store journal.Store) {
		const calls, paid = 60, 25
		k, _ := keep(t, store, "n1")
		world(t, k, paid*60_000)
		var served, refused atomic.Int32
		var all sync.WaitGroup
		for n := range calls {
			all.Go(func() {
				for range 2 { // a node that lost the answer asks again
					reply, err := ask(t.Context(), k, name("hold", n), hold(n))
					switch {
					case err == nil && !reply.Repeated:
						served.Add(1)
					case events.CodeOf(err) == events.CodeInsufficientFunds:
						refused.Add(1)
					case err != nil:
						t.Error(err)
					}
				}
				if _, err := ask(t.Context(), k, name("charge", n), charge(n)); err != nil && events.CodeOf(err) != events.CodeNotFound {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if served.Load() != paid || refused.Load() != 2*(calls-paid) {
			t.Errorf("%d served, %d refused", served.Load(), refused.Load())
		}
		st, _ := fold(t, store)
		if a := st.Ledger.Balance("a"); a.Posted != 0 || a.Held != 0 {
			t.Errorf("%+v", a)
		}
	})
}

// TestMoneyForOne is the customer with two telephones.
func TestMoneyForOne(t *testing.T) {
	for range 20 {
		k, _ := keep(t, memory(), "n1")
		world(t, k, 60_000)
		got := make(chan error, 2)
		for n := range 2 {
			go func() {
				_, err := ask(t.Context(), k, name("hold", n), hold(n))
				got <- err
			}()
		}
		a, b := events.CodeOf(<-got), events.CodeOf(<-got)
		if a+b != events.CodeInsufficientFunds {
			t.Fatalf("the answers were %q and %q", a, b)
		}
	}
}

// TestAnswersAreCommitted reads the store at every answer.
func TestAnswersAreCommitted(t *testing.T) {
	store := memory()
	k, _ := keep(t, store, "n1")
	world(t, k, 60_000)
	for n := range 5 {
		reply, err := ask(t.Context(), k, name("hold", n), hold(n))
		if n == 0 && err != nil || n > 0 && events.CodeOf(err) != events.CodeInsufficientFunds {
			t.Fatal(err)
		}
		end, endErr := journal.End(t.Context(), store, book.Journal)
		if endErr != nil || reply != nil && end.Position < reply.Position {
			t.Errorf("answered at %v, the journal ends at %d, %v", reply, end.Position, endErr)
		}
	}
}

func TestSecondKeeperFencesTheFirst(t *testing.T) {
	eachStore(t, func(t *testing.T, store journal.Store) {
		first, _ := keep(t, store, "n1")
		world(t, first, 600_000)
		must(t, first, "hold 1", hold(1))
		second, _ := keep(t, store, "n2")
		// The first does not know yet. Whatever it says now must not be believed by
		// anybody: yes, no or a repeat.
		var all sync.WaitGroup
		for name, c := range map[string]*wire.Command{
			"hold 1": hold(1), "hold 2": hold(2), "nonsense": {}, "money": credit(1),
		} {
			all.Go(func() {
				if reply, err := ask(t.Context(), first, name, c); events.CodeOf(err) != events.CodeUnavailable {
					t.Errorf("%s: the fenced keeper said %v, %v", name, reply, err)
				}
			})
		}
		all.Wait()
		<-first.Done()
		if reply := must(t, second, "hold 1", hold(1)); !reply.Repeated {
			t.Errorf("%v", reply)
		}
		if reply := must(t, second, "hold 2", hold(2)); reply.Repeated {
			t.Error("the fenced keeper's hold has taken effect")
		}
		st, at := fold(t, store)
		if st.Ledger.Balance("a").Calls != 2 || st.Keeper.Epoch != 2 || st.Keeper.Node != "n2" || at.Epoch != 2 {
			t.Errorf("%+v, keeper %v", st.Ledger.Balance("a"), st.Keeper)
		}
	})
}

func TestKeepersCompete(t *testing.T) {
	store := memory()
	k, _ := keep(t, store, "n1")
	world(t, k, 600_000)
	var mu sync.Mutex
	current := k
	var all sync.WaitGroup
	for n := range 20 {
		all.Go(func() {
			for {
				mu.Lock()
				k := current
				mu.Unlock()
				_, err := ask(t.Context(), k, name("credit", n), credit(1000))
				if err == nil {
					return
				}
				if events.CodeOf(err) != events.CodeUnavailable {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 5 {
		st, at := fold(t, store)
		w := journal.OpenWriterAt(store, journal.WriterOptions{Journal: book.Journal, Node: "n2"}, at)
		next, err := book.Open(t.Context(), w, st, "n2", time.Now, slog.New(slog.DiscardHandler))
		if errors.Is(err, journal.ErrFenced) {
			continue // the other was faster
		}
		if err != nil {
			t.Fatal(err)
		}
		run(t, next)
		mu.Lock()
		current = next
		mu.Unlock()
	}
	all.Wait()
	if st, _ := fold(t, store); st.Ledger.Balance("a").Posted != 620_000 {
		t.Errorf("%+v", st.Ledger.Balance("a"))
	}
}

// TestPoison sends what no journal can hold: it is refused, and the keeper lives.
func TestPoison(t *testing.T) {
	k, _ := keep(t, memory(), "n1")
	world(t, k, 600_000)
	latin := hold(1)
	latin.GetPlaceHold().Lines[0].Sell.Destination = "C\xf4te d'Ivoire"
	long := hold(2)
	long.GetPlaceHold().Lines[0].Sell.Destination = strings.Repeat("x", 1<<20)
	reverses := credit(1)
	reverses.GetPostMoney().Reverses = 4711
	reason := &wire.Command{Body: &wire.Command_ReleaseHold{ReleaseHold: &wire.ReleaseHold{Call: call(5), Reason: strings.Repeat("x", 1<<20)}}}
	must(t, k, "hold 5", hold(5))
	for what, c := range map[string]*wire.Command{"Latin-1": latin, "a megabyte": long, "a credit that reverses": reverses, "a long reason": reason} {
		if reply, err := ask(t.Context(), k, what, c); events.CodeOf(err) != events.CodeInvalid {
			t.Errorf("%s: %v, %v", what, reply, err)
		}
	}
	must(t, k, "hold 3", hold(3))
}

func TestOpenRefusesAnotherPosition(t *testing.T) {
	store := memory()
	k, _ := keep(t, store, "n1")
	world(t, k, 1)
	_, at := fold(t, store)
	w := journal.OpenWriterAt(store, journal.WriterOptions{Journal: book.Journal, Node: "n1"}, at)
	if _, err := book.Open(t.Context(), w, state.New(), "n1", time.Now, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a keeper began with another state than its journal's")
	}
}

// TestTimeNeverGoesBack gives the keeper a clock that does.
func TestTimeNeverGoesBack(t *testing.T) {
	store := memory()
	st, at := fold(t, store)
	now := time.Now()
	clock := func() time.Time { now = now.Add(-time.Hour); return now }
	w := journal.OpenWriterAt(store, journal.WriterOptions{Journal: book.Journal, Node: "n1"}, at)
	k, err := book.Open(t.Context(), w, st, "n1", clock, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	run(t, k)
	world(t, k, 1)
	last := int64(0)
	for n := range 5 {
		reply := must(t, k, name("credit", n), credit(1))
		if reply.TimeUs <= last {
			t.Errorf("after %d comes %d", last, reply.TimeUs)
		}
		last = reply.TimeUs
	}
	fold(t, store)
}

func TestDeadlineOfTheAsker(t *testing.T) {
	k := term(t, memory(), "n1") // it does not run
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := ask(ctx, k, "x", credit(1)); events.CodeOf(err) != events.CodeUnavailable {
		t.Error(err)
	}
	stop := run(t, k)
	stop()
	if _, err := ask(t.Context(), k, "x", credit(1)); events.CodeOf(err) != events.CodeUnavailable {
		t.Error(err)
	}
}
