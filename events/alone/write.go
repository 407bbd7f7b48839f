package alone

import (
	"context"
	"strconv"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
)

// Run tells the book of the calls that were decided here, until ctx ends.
func (d *Desk) Run(ctx context.Context) error {
	tick := time.NewTicker(writeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for d.writeUp(ctx) {
		}
	}
}

// writeUp offers the next calls to the book, and says whether there are more to offer at
// once. An offer whose answer was lost is made again: the book knows the numbers it has.
func (d *Desk) writeUp(ctx context.Context) (more bool) {
	d.mu.Lock()
	calls := d.calls.Waiting(atOnce)
	d.mu.Unlock()
	if len(calls) == 0 {
		return false
	}
	through := calls[len(calls)-1].Number
	key := events.KeyOf("write up", d.Node, strconv.FormatUint(through, 10), strconv.FormatInt(d.Now().UnixNano(), 10))
	cmd := &wire.Command{
		Key: key[:], Actor: "node:" + d.Node, Node: d.Node,
		Body: &wire.Command_WriteUpOffline{WriteUpOffline: &wire.WriteUpOffline{Calls: calls}},
	}
	_, err := d.offer(ctx, cmd)
	switch {
	case events.CodeOf(err) == events.CodeUnavailable:
		return false
	case err != nil:
		d.Log.Error("the book does not take the calls that were served while it was silent", "first", calls[0].Number, "through", through, "err", err)
		return false
	}
	d.Log.Info("calls that were served while the book was silent are in the book", "through", through)
	for _, end := range d.taken(through) {
		d.settle(ctx, end)
	}
	return true
}

// offer waits for the answer and until it can be read here: what the book made of a call
// decides who ends it. Of one that was offered while it went on it has a hold, be it by
// this offer or an earlier one.
func (d *Desk) offer(ctx context.Context, cmd *wire.Command) (*wire.Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, writeWithin)
	defer cancel()
	reply, err := d.ask(ctx, cmd)
	if err != nil {
		return nil, err
	}
	if err := d.Follower.Wait(ctx, events.Position(reply.Position)); err != nil {
		return nil, events.Refuse(events.CodeUnavailable, "the answer is not read yet: %v", err)
	}
	return reply, nil
}

// taken forgets the calls up to a number, and gives the ends of those that the book holds
// as going on and that have ended since they were offered.
func (d *Desk) taken(through uint64) (ends []*wire.Command) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, e := range d.open {
		if e.call.Number > through {
			continue
		}
		delete(d.open, id)
		held := false
		d.Follower.View(func(st *state.State) {
			h, ok := st.Ledger.Hold(id)
			held = ok && h.Node == d.Node
		})
		if held && e.ended != nil {
			ends = append(ends, e.ended)
		}
	}
	d.calls.Written(through)
	if len(d.open) == 0 {
		if err := d.file.empty(); err != nil {
			d.Log.Error("what was decided while the book was silent is in the book and cannot be removed from its file", "err", err)
		}
	}
	return ends
}

// settle repeats the end of a call until the book has answered; what is cut short the
// next start finds in the log.
func (d *Desk) settle(ctx context.Context, cmd *wire.Command) {
	for {
		_, err := d.ask(ctx, cmd)
		if events.CodeOf(err) != events.CodeUnavailable {
			if err != nil {
				d.Log.Error("the book refused the end of a call that was let through while it was silent", "err", err)
			}
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(writeEvery):
		}
	}
}
