package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const term = time.Second

// town is some members and the ways between them.
type town struct {
	t       *testing.T
	names   []string
	mu      sync.Mutex
	own     map[string]*Promises
	tenants map[string]*Tenant
	stop    map[string]context.CancelFunc
	cut     map[string]bool // from whom and to whom nothing comes through
	holds   map[string]bool
	fails   map[string]bool // who cannot use the name
	slow    time.Duration
	ended   sync.WaitGroup
}

func newTown(t *testing.T, size int) *town {
	w := &town{
		t: t, own: map[string]*Promises{}, tenants: map[string]*Tenant{}, stop: map[string]context.CancelFunc{},
		cut: map[string]bool{}, holds: map[string]bool{}, fails: map[string]bool{},
	}
	for i := range size {
		w.names = append(w.names, fmt.Sprintf("n%d", i+1))
	}
	for i, name := range w.names {
		w.start(name, time.Duration(i)*term/50)
	}
	return w
}

func (w *town) start(name string, after time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	own := NewPromises(term, time.Now())
	ctx, stop := context.WithCancel(context.Background())
	tenant := New(Config{
		Name: "address", Node: name, Term: term, Own: own, Log: slog.New(slog.DiscardHandler),
		Members: func() []string { return w.names },
		Ask: func(ask context.Context, to string, q Question) (Answer, error) {
			if ctx.Err() != nil && w.dead(name) {
				return Answer{}, errCut
			}
			return w.carry(ask, name, to, q)
		},
		May: func() (time.Duration, bool) { return after, true },
		Gained: func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return w.gained(name)
		},
		Lost: func() {
			if !w.dead(name) {
				w.lost(name)
			}
		},
		Kept: func() {},
	})
	w.own[name], w.tenants[name], w.stop[name] = own, tenant, stop
	w.ended.Go(func() { tenant.Run(ctx) })
}

// dead tells of a member that was killed, whose goroutines still end.
func (w *town) dead(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.own[name] == nil
}

var errCut = errors.New("nothing comes through")

func (w *town) carry(ctx context.Context, from, to string, q Question) (Answer, error) {
	w.mu.Lock()
	slow := w.slow
	w.mu.Unlock()
	time.Sleep(rand.N(slow + 1))
	w.mu.Lock()
	own := w.own[to]
	cut := w.cut[from+" "+to]
	w.mu.Unlock()
	if own == nil || cut {
		<-ctx.Done()
		return Answer{}, errCut
	}
	a := own.Answer(q, time.Now())
	time.Sleep(rand.N(slow + 1))
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut[to+" "+from] {
		return Answer{}, errCut
	}
	return a, nil
}

func (w *town) gained(name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fails[name] {
		return errors.New("no such interface")
	}
	w.holds[name] = true
	if len(w.holds) > 1 {
		w.t.Errorf("%v hold at once", w.holds)
	}
	return nil
}

func (w *town) lost(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.holds, name)
}

// kill ends a member without a word: what it holds is its no more.
func (w *town) kill(name string) {
	w.mu.Lock()
	for _, other := range w.names {
		w.cut[name+" "+other], w.cut[other+" "+name] = true, true
	}
	w.own[name] = nil
	delete(w.holds, name)
	stop := w.stop[name]
	w.mu.Unlock()
	stop()
}

func (w *town) heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.cut)
}

// delay makes each way take up to a time.
func (w *town) delay(most time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.slow = most
}

func (w *town) holder() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name := range w.holds {
		return name
	}
	return ""
}

func (w *town) close() {
	for _, stop := range w.stop {
		stop()
	}
	w.ended.Wait()
}

// A holder that dies is replaced when its promises have run out, and not before.
func TestDeadHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 3)
		defer w.close()
		time.Sleep(2 * term)
		first := w.holder()
		if first != "n1" {
			t.Fatalf("%q holds, and n1 is best placed", first)
		}
		time.Sleep(10 * term)
		if w.holder() != first {
			t.Fatal("the holder has changed for no reason")
		}
		killed := time.Now()
		w.kill(first)
		for w.holder() == "" {
			time.Sleep(term / 100)
		}
		if gap := time.Since(killed); w.holder() != "n2" || gap > lasting(term)+term/looks*2 {
			t.Errorf("after %v %s holds", gap, w.holder())
		}
	})
}

// A holder that is told to end gives the name to the next one at once.
func TestLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 3)
		defer w.close()
		time.Sleep(2 * term)
		left := time.Now()
		w.stop["n1"]()
		for w.holder() == "" || w.holder() == "n1" {
			time.Sleep(term / 100)
		}
		if gap := time.Since(left); w.holder() != "n2" || gap > term/4 {
			t.Errorf("after %v %s holds", gap, w.holder())
		}
	})
}

// A holder without a majority gives the name up before another one has it; when it is
// back the other keeps it.
func TestHolderCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 3)
		defer w.close()
		time.Sleep(2 * term)
		w.mu.Lock()
		for _, pair := range []string{"n1 n2", "n2 n1", "n1 n3", "n3 n1"} {
			w.cut[pair] = true
		}
		w.mu.Unlock()
		time.Sleep(2 * term)
		if w.holder() != "n2" {
			t.Fatalf("%q holds", w.holder())
		}
		w.heal()
		time.Sleep(5 * term)
		if w.holder() != "n2" {
			t.Errorf("%q holds", w.holder())
		}
	})
}

// A node that cannot use the name leaves it to others.
func TestUnusable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 3)
		defer w.close()
		w.mu.Lock()
		w.fails["n1"] = true
		w.mu.Unlock()
		time.Sleep(4 * term)
		if w.holder() == "" || w.holder() == "n1" {
			t.Errorf("%q holds", w.holder())
		}
	})
}

// A member that has just started promises nothing that another may still have.
func TestForgottenPromises(t *testing.T) {
	began := time.Now()
	p := NewPromises(term, began)
	if p.Answer(Question{Name: "a", Node: "n1"}, began.Add(term)).Promised {
		t.Error("it promises though it may have promised it to another")
	}
	if !p.Answer(Question{Name: "a", Node: "n1"}, began.Add(lasting(term))).Promised {
		t.Error("it does not promise")
	}
	if a := p.Answer(Question{Name: "a", Node: "n2", Release: true}, began.Add(2*term)); a.To != "n1" {
		t.Error("another's promise is taken back")
	}
}

// Whatever is cut, killed and started again, at most one holds; and when all is well
// again one does.
func TestOneHolder(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			w := newTown(t, 3+2*random.IntN(2))
			defer w.close()
			w.delay(time.Duration(random.Int64N(int64(term / 3))))
			dead := []string{}
			for range 60 {
				time.Sleep(time.Duration(random.Int64N(int64(term))))
				name := w.names[random.IntN(len(w.names))]
				switch random.IntN(5) {
				case 0:
					if len(dead) < len(w.names)/2 && !slices.Contains(dead, name) {
						w.kill(name)
						dead = append(dead, name)
					}
				case 1, 2:
					w.mu.Lock()
					w.cut[name+" "+w.names[random.IntN(len(w.names))]] = true
					w.mu.Unlock()
				case 3:
					w.heal()
				case 4:
					time.Sleep(2 * term) // what was killed has ended
					for _, name := range dead {
						w.start(name, 0)
					}
					dead = nil
				}
			}
			time.Sleep(2 * term)
			for _, name := range dead {
				w.start(name, 0)
			}
			w.heal()
			w.delay(0)
			time.Sleep(10 * term)
			if w.holder() == "" {
				t.Errorf("seed %d: nobody holds though all is well", seed)
			}
		})
	}
}

// What is given back late does not take what was promised since.
func TestLateRelease(t *testing.T) {
	began := time.Now()
	p, later := NewPromises(term, began), began.Add(2*term)
	p.Answer(Question{Name: "a", Node: "n1", Round: 1}, later)
	p.Answer(Question{Name: "a", Node: "n1", Round: 2}, later)
	p.Answer(Question{Name: "a", Node: "n1", Round: 1, Release: true}, later)
	if a := p.Answer(Question{Name: "a", Node: "n2", Round: 3}, later); a.To != "n1" {
		t.Errorf("it is promised twice: %+v", a)
	}
	p.Answer(Question{Name: "a", Node: "n1", Round: 2, Release: true}, later)
	if a := p.Answer(Question{Name: "a", Node: "n2", Round: 3}, later); !a.Promised {
		t.Errorf("it is not free: %+v", a)
	}
}
