package node

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/media/archive"
	"github.com/tollbook/tollbook/projections/history"
)

// HasFile tells whether a file is on this node's disk.
func (n *Node) HasFile(name archive.Name) bool { return n.files.Has(name) }

// OpenFile opens a file, which is fetched first if it is not here.
func (n *Node) OpenFile(ctx context.Context, name archive.Name) (io.ReadSeekCloser, time.Time, error) {
	file, err := n.files.OpenFile(name)
	if errors.Is(err, archive.ErrNotFound) {
		if err = n.mayFetch(ctx, name); err == nil {
			err = n.files.Fetch(ctx, name)
		}
		if err == nil {
			file, err = n.files.OpenFile(name)
		}
	}
	if err != nil {
		return nil, time.Time{}, n.fileError(name, err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, time.Time{}, errors.Join(err, file.Close())
	}
	return file, info.ModTime(), nil
}

// mayFetch keeps what was removed from coming back.
func (n *Node) mayFetch(ctx context.Context, name archive.Name) error {
	f, err := n.history.File(ctx, name.Node, name.Below())
	if err == nil && f.RemovedUS != 0 {
		return archive.ErrNotFound
	}
	if errors.Is(err, history.ErrNotFound) {
		return nil
	}
	return err
}

// fileError is the domain's word for what became of a file.
func (n *Node) fileError(name archive.Name, err error) error {
	if errors.Is(err, archive.ErrNotFound) {
		return events.NotFound("there is no file %q", name)
	}
	n.log.Warn("a file could not be had", "file", name.String(), "err", err)
	return events.Refuse(events.CodeUnavailable, "file %s is on another node, which did not give it", name)
}

// FetchFile brings a file here and mends it if it is damaged.
func (n *Node) FetchFile(ctx context.Context, name archive.Name) error {
	err := n.mayFetch(ctx, name)
	if err == nil {
		err = n.files.Mend(ctx, name)
	}
	if err != nil {
		return n.fileError(name, err)
	}
	return nil
}

// EraseFile removes a file for good: here, and on the other nodes of the cluster when
// they read of it.
func (n *Node) EraseFile(ctx context.Context, name archive.Name, actor, reason string) error {
	err := n.files.Remove(ctx, name, wire.RemovalReason_REMOVAL_REASON_ERASURE, actor, reason)
	if errors.Is(err, archive.ErrNotFound) {
		return events.NotFound("there is no file %q on node %s", name, n.settings.Node)
	}
	return err
}

// FileServed records who was given a file.
func (n *Node) FileServed(ctx context.Context, name archive.Name, actor, address string) error {
	return n.recordFiles(ctx, &wire.Event{Actor: actor, Correlation: name.Call[:], Body: &wire.Event_FileServed{FileServed: &wire.FileServed{
		Call: name.Call[:], Node: name.Node, Name: name.Below(), Holder: n.settings.Node, Address: address,
	}}})
}

// fileSum is the hash in a file's event, which a node of the same cluster knows.
func (n *Node) fileSum(ctx context.Context, name archive.Name) (sum [32]byte, known bool, err error) {
	f, err := n.history.File(ctx, name.Node, name.Below())
	if errors.Is(err, history.ErrNotFound) {
		return sum, false, nil
	}
	if err == nil && len(f.SHA256) == len(sum) {
		sum, known = [32]byte(f.SHA256), true
	}
	return sum, known, err
}

// eraseCopies obeys the erasures on other nodes.
func (n *Node) eraseCopies(list []events.Recorded) {
	for _, r := range list {
		e := r.Event.GetFileRemoved()
		if e.GetWhy() != wire.RemovalReason_REMOVAL_REASON_ERASURE || e.GetHolder() == n.settings.Node {
			continue
		}
		name, err := archive.ParseName(e.GetNode() + "/" + e.GetName())
		if err != nil || !n.files.Has(name) {
			continue
		}
		n.tasks.Go(func() {
			err := n.files.Remove(n.ctx, name, e.GetWhy(), r.Event.GetActor(), e.GetNote())
			if err != nil && !errors.Is(err, archive.ErrNotFound) {
				n.log.Error("a file that was erased elsewhere could not be removed; tried again at the next start", "file", name.String(), "err", err)
			}
		})
	}
}
