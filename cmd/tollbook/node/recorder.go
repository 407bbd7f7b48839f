package node

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/journal"
	"github.com/tollbook/tollbook/events/wire"
)

// recorder writes observed events into one of the node's journals.
type recorder struct {
	log    *journal.Log
	logger *slog.Logger
	node   string
	// fail ends the node: what cannot be written down must not go on happening.
	fail func(error)
}

// Record queues an event. While the queue is full it waits: what cannot be
// written down must not go on happening.
func (r *recorder) Record(e *wire.Event) {
	data, err := r.marshal(e)
	if err == nil {
		_, err = r.log.AppendWait(context.Background(), data)
	}
	if err != nil {
		r.logger.Error("an event could not be recorded", "err", err)
		r.fail(fmt.Errorf("what is observed cannot be recorded: %w", err))
	}
}

// recordAll records events that someone must not be ahead of: it returns when they
// are durable.
func (r *recorder) recordAll(ctx context.Context, list []*wire.Event) error {
	var last journal.Ticket
	for _, e := range list {
		data, err := r.marshal(e)
		if err != nil {
			return err
		}
		if last, err = r.log.AppendWait(ctx, data); err != nil {
			return err
		}
	}
	if len(list) == 0 {
		return nil
	}
	_, err := last.Wait(ctx)
	return err
}

// marshal gives an event an id and an actor where it has none.
func (r *recorder) marshal(e *wire.Event) ([]byte, error) {
	if len(e.Id) == 0 {
		e.Id = make([]byte, 16)
		if _, err := rand.Read(e.Id); err != nil {
			panic("node: no randomness: " + err.Error())
		}
	}
	if e.Actor == "" {
		e.Actor = "node:" + r.node
	}
	return events.Marshal(e)
}

// observe records an event that the node makes up itself.
func (r *recorder) observe(e *wire.Event) {
	e.Schema, e.EffectiveAtUs = 1, time.Now().UnixMicro()
	r.Record(e)
}
