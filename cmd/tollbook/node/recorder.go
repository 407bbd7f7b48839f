package node

import (
	"context"
	"crypto/rand"
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
}

// Record queues an event. While the queue is full it waits: what cannot be
// written down must not go on happening.
func (r *recorder) Record(e *wire.Event) {
	if len(e.Id) == 0 {
		e.Id = make([]byte, 16)
		if _, err := rand.Read(e.Id); err != nil {
			panic("node: no randomness: " + err.Error())
		}
	}
	if e.Actor == "" {
		e.Actor = "node:" + r.node
	}
	data, err := events.Marshal(e)
	if err == nil {
		_, err = r.log.AppendWait(context.Background(), data)
	}
	if err != nil {
		r.logger.Error("an event could not be recorded", "err", err)
	}
}

// observe records an event that the node makes up itself.
func (r *recorder) observe(e *wire.Event) {
	e.Schema, e.EffectiveAtUs = 1, time.Now().UnixMicro()
	r.Record(e)
}
