package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"github.com/99designs/gqlgen/graphql"
	"github.com/coder/websocket"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/tollbook/tollbook/graphql/auth"
)

// operation is a subscription that a websocket answers.
type operation struct {
	id     string
	cancel context.CancelFunc
}

// subscribe begins an operation. What is wrong with it the listener hears under its name.
func (k *socket) subscribe(ctx context.Context, m message) *farewellTo {
	if m.ID == "" || len(m.ID) > maxOperationID {
		return bye(badMessage, "an operation has a name of 1 to 128 bytes")
	}
	params, err := readParams(bytes.NewReader(m.Payload), k.asker.Load().as.Header)
	if err != nil {
		return bye(badMessage, "the payload of subscribe is no operation")
	}
	v := k.asker.Load().viewer
	ctx, cancel := context.WithCancel(context.WithValue(auth.WithViewer(ctx, v), spentKey{}, &spent{}))
	o := &operation{m.ID, cancel}
	if why := k.add(o); why != nil {
		cancel()
		return why
	}
	if why := k.cfg.Streams.operations.enter(v.Actor); why != "" {
		k.end(o, gqlerror.List{{Message: why, Extensions: map[string]any{"code": "RATE_LIMITED"}}})
		return nil
	}
	ctx, op, errs := k.begin(graphql.StartOperationTrace(ctx), k.exec, params)
	if errs != nil {
		k.cfg.Streams.operations.leave(v.Actor)
		k.end(o, k.exec.DispatchError(ctx, errs).Errors)
		return nil
	}
	go func() {
		defer k.cfg.Streams.operations.leave(v.Actor)
		k.run(ctx, o, op)
	}()
	return nil
}

// add takes an operation among those that go on, until its end.
func (k *socket) add(o *operation) *farewellTo {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.running[o.id] != nil {
		return bye(takenID, "an operation of that name goes on already")
	}
	if k.ending {
		return bye(websocket.StatusGoingAway, "the connection ends")
	}
	k.running[o.id] = o
	k.all.Add(1)
	return nil
}

// run answers one operation until it ends: by the listener, by what ends the connection,
// or because there is no more to say.
func (k *socket) run(ctx context.Context, o *operation, op *graphql.OperationContext) {
	errs := k.pass(ctx, k.exec, op, func(response *graphql.Response) bool {
		data, err := json.Marshal(response)
		return err == nil && ctx.Err() == nil && k.send(message{ID: o.id, Type: "next", Payload: data})
	})
	if errs == nil {
		errs = brokenOff(true)
	}
	if ctx.Err() != nil {
		errs = nil // he said so himself
		if why := (*farewellTo)(nil); errors.As(context.Cause(ctx), &why) {
			errs = why.errs
		}
	}
	k.end(o, errs)
}

// end makes an operation's name free, and says why it ended.
func (k *socket) end(o *operation, errs gqlerror.List) {
	defer k.all.Done()
	o.cancel()
	k.mu.Lock()
	if k.running[o.id] == o {
		delete(k.running, o.id)
	}
	k.mu.Unlock()
	if errs == nil {
		return
	}
	if data, err := json.Marshal(errs); err == nil {
		k.send(message{ID: o.id, Type: "error", Payload: data})
	}
}
