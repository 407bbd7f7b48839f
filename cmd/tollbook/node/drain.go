package node

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// drainPoll is how often a stop looks whether calls have ended.
const drainPoll = 100 * time.Millisecond

// drainOrder is what is asked of the node that is to be drained.
type drainOrder struct {
	On    bool   `json:"on"`
	Actor string `json:"actor"`
}

// Drain has a node take no new calls, but for emergency calls, or take them again. It
// holds until the node stops.
func (n *Node) Drain(ctx context.Context, node string, on bool, actor string) error {
	in := drainOrder{On: on, Actor: actor}
	if node == n.settings.Node {
		n.drainHere(in)
		return nil
	}
	_, err := n.askNode(ctx, node, "drain", in)
	if err == nil && n.settings.group != nil {
		n.lookAt(ctx, node)
	}
	return err
}

func (n *Node) answerDrain(_ context.Context, data []byte) ([]byte, error) {
	var in drainOrder
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, fmt.Errorf("read whether to drain: %w", err)
	}
	n.drainHere(in)
	return nil, nil
}

func (n *Node) drainHere(in drainOrder) {
	n.log.Warn("new calls are refused, or taken again, by hand", "refused", in.On, "actor", in.Actor, "calls", n.sw.Calls())
	n.sw.Drain(in.On)
}

// drain refuses new calls, but for emergency calls, and waits for those in progress,
// for as long as the configuration says.
func (n *Node) drain() {
	n.sw.Drain(true)
	if calls := n.sw.Calls(); calls > 0 {
		n.log.Info("no new calls are taken; waiting for those in progress", "calls", calls, "at_most", n.settings.drain)
	}
	for end := time.Now().Add(n.settings.drain); n.sw.Calls() > 0 && time.Now().Before(end); {
		time.Sleep(drainPoll)
	}
}
