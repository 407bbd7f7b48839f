package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/cluster"
	"github.com/tollbook/tollbook/events/wire"
)

// nodeSubject is where a node answers what only it can do.
func nodeSubject(node, verb string) string { return "tollbook.node." + node + "." + verb }

// answerOthers does for other nodes what is asked of this one.
func (n *Node) answerOthers(context.Context) error {
	for verb, h := range map[string]cluster.Handler{
		"hang-up":   n.answerHangUp,
		"media":     n.answerMedia,
		"recording": n.answerRecording,
		"standing":  n.answerStanding,
		"lease":     n.answerLease,
		"drain":     n.answerDrain,
	} {
		stop, err := n.server.Answer(n.ctx, verb, nodeSubject(n.settings.Node, verb), h)
		if err != nil {
			return err
		}
		n.onClose(stop)
	}
	n.task("watch the store", n.watchStore)
	if n.settings.group != nil {
		n.task("look at the other nodes", n.lookAround)
		n.task("tell where calls are taken", n.tellPlace)
		n.task("keep removed nodes out", n.keepOut)
	}
	return nil
}

// askNode has another node do something. A no of its own comes back as the domain
// error that it was there.
func (n *Node) askNode(ctx context.Context, node, verb string, in any) ([]byte, error) {
	data, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	answer, err := n.server.Ask(ctx, nodeSubject(node, verb), data)
	var no *cluster.Refusal
	switch {
	case errors.As(err, &no):
		return nil, events.Refuse(events.Code(no.Code), "node %s: %s", node, no.Text)
	case err != nil:
		return nil, events.Refuse(events.CodeUnavailable, "node %s does not answer: %v", node, err)
	}
	return answer, nil
}

// refusal is a domain error for another node.
func refusal(err error) error {
	if err == nil {
		return nil
	}
	return &cluster.Refusal{Code: string(events.CodeOf(err)), Text: err.Error()}
}

// hangUp is what is asked of the node that serves a call.
type hangUp struct {
	Call   events.CallID `json:"call"`
	Actor  string        `json:"actor"`
	Reason string        `json:"reason"`
}

func (n *Node) answerHangUp(_ context.Context, data []byte) ([]byte, error) {
	var in hangUp
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, fmt.Errorf("read what to hang up: %w", err)
	}
	return nil, refusal(n.hangUp(in))
}

func (n *Node) hangUp(in hangUp) error {
	n.log.Info("a call is hung up by hand", "call_id", in.Call.String(), "actor", in.Actor, "reason", in.Reason)
	return n.sw.HangUp(in.Call)
}

// HangUp ends a running call, on whichever node serves it.
func (n *Node) HangUp(ctx context.Context, id events.CallID, actor, reason string) error {
	in := hangUp{Call: id, Actor: actor, Reason: reason}
	return n.whereServed(ctx, id, "hang-up", in, func() error { return n.hangUp(in) })
}

// whereServed does something to a running call: here, or on the node that serves it.
func (n *Node) whereServed(ctx context.Context, id events.CallID, verb string, in any, here func() error) error {
	if c, ok := n.live.Get(id); ok && c.Node != n.settings.Node {
		_, err := n.askNode(ctx, c.Node, verb, in)
		return err
	}
	return here()
}

// LiveMedia tells what is received on a running call's legs, on whichever node serves
// it.
func (n *Node) LiveMedia(ctx context.Context, id events.CallID) (*wire.CallMedia, error) {
	if c, ok := n.live.Get(id); !ok || c.Node == n.settings.Node {
		return n.sw.Media(id)
	} else if data, err := n.askNode(ctx, c.Node, "media", id); err != nil {
		return nil, err
	} else {
		m := &wire.CallMedia{}
		if err := proto.Unmarshal(data, m); err != nil {
			return nil, fmt.Errorf("read the media of a call on node %s: %w", c.Node, err)
		}
		return m, nil
	}
}

func (n *Node) answerMedia(_ context.Context, data []byte) ([]byte, error) {
	var id events.CallID
	if err := json.Unmarshal(data, &id); err != nil {
		return nil, fmt.Errorf("read whose media is asked for: %w", err)
	}
	m, err := n.sw.Media(id)
	if err != nil {
		return nil, refusal(err)
	}
	return proto.Marshal(m)
}

// watchStore ends the node when its server has given the store up: nothing can be
// decided or written down here any more, and the others take over.
func (n *Node) watchStore(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if !n.server.Running() {
				return errors.New("the store cannot be written: look at the server's messages above; the disk may be full")
			}
		}
	}
}
