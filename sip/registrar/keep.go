package registrar

import (
	"context"
	"errors"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

const (
	// keepEvery is how often a device behind a NAT is asked with OPTIONS whether it
	// is there, so that its way back stays open; one that misses keepMissed answers
	// in a row is forgotten.
	keepEvery  = 30 // seconds
	keepMissed = 4
	// keepAtOnce bounds the questions under way.
	keepAtOnce = 64
	forgetTick = 5 // seconds
)

// keeper asks devices whether they are there.
type keeper struct {
	r      *Registrar
	places chan struct{}
	work   sync.WaitGroup

	mu     sync.Mutex
	missed map[string]int // by user and contact
}

// Keep forgets what has expired and keeps the ways to devices behind NATs open,
// until ctx ends.
func (r *Registrar) Keep(ctx context.Context) error {
	k := &keeper{r: r, places: make(chan struct{}, keepAtOnce), missed: map[string]int{}}
	defer k.work.Wait()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := uint32(0); ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			if n%forgetTick == 0 {
				if err := r.Forget(now); err != nil {
					r.config.Log.Error("expired registrations could not be removed", "err", err)
				}
			}
			k.round(ctx, n)
		}
	}
}

// round asks the devices whose turn it is in this second.
func (k *keeper) round(ctx context.Context, n uint32) {
	for user, list := range k.r.index.all() {
		h := fnv.New32a()
		if _, err := h.Write([]byte(user)); err != nil || h.Sum32()%keepEvery != n%keepEvery {
			continue
		}
		for _, b := range live(list, time.Now().UnixMicro()) {
			if b.Node != k.r.config.Node {
				continue // its node's
			}
			if !k.r.open(&b) {
				k.forget(user, &b)
				continue
			}
			if !b.NAT || b.Transport != "udp" || len(b.Path) > 0 {
				continue
			}
			select {
			case k.places <- struct{}{}:
			case <-ctx.Done():
				return
			}
			k.work.Add(1)
			go func() {
				defer k.work.Done()
				defer func() { <-k.places }()
				k.judge(user, b, k.r.there(ctx, &b))
			}()
		}
	}
}

// judge counts what was missed.
func (k *keeper) judge(user string, b Binding, there bool) {
	key := user + "\x00" + b.Contact
	k.mu.Lock()
	if len(k.missed) > 2*k.r.index.count()+keepAtOnce {
		clear(k.missed) // most of it is of devices that have left
	}
	k.missed[key]++
	gone := !there && k.missed[key] >= keepMissed
	if there || gone {
		delete(k.missed, key)
	}
	k.mu.Unlock()
	if gone {
		k.forget(user, &b)
	}
}

// forget removes the binding of a device that is not there any more, unless it has
// registered again.
func (k *keeper) forget(user string, b *Binding) {
	k.r.config.Log.Info("a device is not there any more and is forgotten", "subscriber", user, "contact", b.Contact)
	err := k.r.rewrite(user, func(old []Binding) ([]Binding, bool) {
		return slices.DeleteFunc(old, func(o Binding) bool { return o.Contact == b.Contact && o.Refreshed == b.Refreshed }), true
	})
	if err != nil && !errors.Is(err, ErrConflict) {
		k.r.config.Log.Error("a registration could not be removed", "subscriber", user, "err", err)
	}
}

// there asks a device; any answer will do.
func (r *Registrar) there(ctx context.Context, b *Binding) bool {
	c, err := b.contact()
	if err != nil {
		return false
	}
	l := r.config.Gate.Listener(c.Listener)
	ours := l.Contact(c.Transport)
	ours.UriParams = nil
	req := sip.NewRequest(sip.OPTIONS, c.URI)
	from := &sip.FromHeader{Address: ours}
	from.Params.Add("tag", sip.GenerateTagN(16))
	callID := sip.CallIDHeader(sip.GenerateTagN(24))
	maxForwards := sip.MaxForwardsHeader(70)
	req.AppendHeader(from)
	req.AppendHeader(&sip.ToHeader{Address: c.URI})
	req.AppendHeader(&callID)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: 1, MethodName: sip.OPTIONS})
	req.AppendHeader(&maxForwards)
	req.SetTransport(sip.NetworkToUpper(c.Transport))
	req.SetDestination(c.Destination)
	req.Laddr = l.Local()
	tx, err := r.config.Gate.Client().TransactionRequest(ctx, req)
	if err != nil {
		return false
	}
	defer tx.Terminate()
	wait := time.NewTimer(10 * time.Second)
	defer wait.Stop()
	select {
	case <-tx.Responses():
		return true
	case <-tx.Done():
		return false
	case <-wait.C:
		return false
	case <-ctx.Done():
		return true // nobody knows
	}
}
