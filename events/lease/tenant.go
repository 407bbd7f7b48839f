package lease

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// looks is how often in a term a tenant looks whether its time is over or a name is
	// free; asks is how often it asks anew while it holds.
	looks = 40
	asks  = 4
)

// Config is what a Tenant works with. All of it is required.
type Config struct {
	Name, Node string
	// Term is how long a majority's promises hold.
	Term time.Duration
	// Members are the cluster's nodes, this one among them.
	Members func() []string
	// Ask asks another member.
	Ask func(ctx context.Context, member string, q Question) (Answer, error)
	// Own are this node's promises.
	Own *Promises
	// May says how long a free name is left to others that are better placed, and
	// whether this node wants it at all. A holder that does not want it any more gives it
	// back.
	May func() (after time.Duration, ok bool)
	// Gained and Lost are told in turn, on the tenant's goroutine: the name may be used
	// from when Gained is called, and no more when Lost returns. A name that cannot be
	// used is given back: Gained says why.
	Gained func() error
	Lost   func()
	// Kept is told of each further majority.
	Kept func()
	Log  *slog.Logger
}

// Tenant is what one node does about one name. It lives while Run does.
type Tenant struct {
	Config
	held  atomic.Bool
	until time.Time // while it holds
	asked time.Time
	tired time.Time // it does not ask before
	round int64
}

// New makes a tenant.
func New(c Config) *Tenant { return &Tenant{Config: c} }

// Holds tells whether the node holds the name.
func (t *Tenant) Holds() bool { return t.held.Load() }

// Run asks, holds and gives back until ctx ends.
func (t *Tenant) Run(ctx context.Context) {
	tick := time.NewTicker(t.Term / looks)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			t.leave(context.WithoutCancel(ctx))
			return
		case <-tick.C:
			t.look(ctx)
		}
	}
}

func (t *Tenant) look(ctx context.Context) {
	now := time.Now()
	after, may := t.May()
	if t.held.Load() {
		switch {
		case !may:
			t.leave(ctx)
		case !now.Before(t.until):
			t.Log.Warn("no majority has promised the name in time: it is given up", "name", t.Name)
			t.lose()
		case now.Sub(t.asked) >= t.Term/asks:
			t.ask(ctx, now)
		}
		return
	}
	holder, free := t.Own.Holder(t.Name, now)
	if may && holder == "" && now.After(t.tired) && now.Sub(free) >= after {
		t.ask(ctx, now)
	}
}

// ask asks all members for their promises and takes the name when a majority gives
// them.
func (t *Tenant) ask(ctx context.Context, now time.Time) {
	t.asked = now
	members := t.Members()
	t.round = max(t.round+1, now.UnixNano())
	promised, whole := t.poll(ctx, members, Question{Name: t.Name, Node: t.Node, Round: t.round})
	if whole && time.Since(now) < t.Term {
		t.until = now.Add(t.Term)
		t.take(ctx)
		return
	}
	if t.held.Load() {
		return // until its time is over
	}
	t.tired = time.Now().Add(t.Term/10 + rand.N(t.Term/4))
	if promised > 0 {
		t.release(ctx)
	}
}

func (t *Tenant) take(ctx context.Context) {
	if t.held.Load() {
		t.Kept()
		return
	}
	if err := t.Gained(); err != nil {
		t.Log.Error("a name that this node has got cannot be used here", "name", t.Name, "err", err)
		t.Lost()
		t.release(ctx)
		t.tired = time.Now().Add(10 * t.Term) // others may do better
		return
	}
	t.held.Store(true)
}

// poll counts the promises, until they are a majority or can be none.
func (t *Tenant) poll(ctx context.Context, members []string, q Question) (promised int, whole bool) {
	within := t.Term / asks
	if t.held.Load() {
		within = min(within, time.Until(t.until)) // then it is to be given up
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	answers := make(chan bool, len(members))
	var all sync.WaitGroup
	for _, m := range members {
		if m == t.Node {
			answers <- t.Own.Answer(q, time.Now()).Promised
			continue
		}
		all.Go(func() {
			a, err := t.Ask(ctx, m, q)
			answers <- err == nil && a.Promised
		})
	}
	go func() { // a majority is enough, but all are to hear who holds
		all.Wait()
		cancel()
	}()
	need := len(members)/2 + 1
	for range members {
		if <-answers {
			promised++
		}
		if promised >= need {
			break
		}
	}
	return promised, promised >= need
}

// leave gives the name back, if it is held.
func (t *Tenant) leave(ctx context.Context) {
	if t.held.Load() {
		t.lose()
		t.release(ctx)
	}
}

func (t *Tenant) lose() {
	t.held.Store(false)
	t.Lost()
}

// release takes back what was promised.
func (t *Tenant) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, t.Term/asks)
	defer cancel()
	q := Question{Name: t.Name, Node: t.Node, Round: t.round, Release: true}
	var all sync.WaitGroup
	for _, m := range t.Members() {
		if m == t.Node {
			t.Own.Answer(q, time.Now())
			continue
		}
		all.Go(func() { _, _ = t.Ask(ctx, m, q) }) // who does not hear it forgets it in time
	}
	all.Wait()
}
