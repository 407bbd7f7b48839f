package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
)

// whileKeeping does something at every tick at which this node keeps the book: what one
// node of all does, the keeper does.
func (n *Node) whileKeeping(ctx context.Context, every time.Duration, do func(now time.Time)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			if n.terms.Keeps() {
				do(now)
			}
		}
	}
}

// unlessBusy does something beside the rest, unless what the lock guards is being worked on.
func (n *Node) unlessBusy(lock *sync.Mutex, do func()) {
	if !lock.TryLock() {
		return
	}
	n.tasks.Add(1)
	go func() {
		defer n.tasks.Done()
		defer lock.Unlock()
		do()
	}()
}

// ownEdit is the command that puts an entity of the node's own behind the version that it
// was made from, 0 for none.
func (n *Node) ownEdit(e *wire.Entity, version events.Position, note string) *wire.Command {
	key := events.KeyOf("node", n.settings.Node, catalog.RefOf(e).String(), fmt.Sprint(version), time.Now().String())
	return &wire.Command{
		Key: key[:], Actor: "node:" + n.settings.Node,
		Body: &wire.Command_ChangeCatalog{ChangeCatalog: &wire.ChangeCatalog{
			Note:    note,
			Changes: []*wire.ExpectedChange{{Change: &wire.Change{Entity: e}, ExpectedVersion: uint64(version), Absent: version == 0}},
		}},
	}
}

// putEntity has the book take an own edit, and waits until this node has read it.
func (n *Node) putEntity(ctx context.Context, e *wire.Entity, version events.Position, note string) error {
	reply, err := n.book.Execute(ctx, n.ownEdit(e, version, note))
	if err == nil && reply.GetError() != nil {
		err = errors.New(reply.GetError().GetMessage())
	}
	if err != nil {
		return err
	}
	return n.Await(ctx, events.Position(reply.GetPosition()))
}
