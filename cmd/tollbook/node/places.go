package node

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
)

const (
	// tellPlaceEvery is how often a node looks whether what it has said of where it takes
	// calls is still so.
	tellPlaceEvery  = time.Second
	tellPlaceWithin = 5 * time.Second
)

// Places are where the nodes take calls and media, as they have said themselves: a node
// that is down has not changed that.
func (n *Node) Places() []*wire.NodePlace {
	if n.settings.group == nil {
		return []*wire.NodePlace{n.settings.place()}
	}
	return n.Catalog().Settings().NodePlaces
}

// tellPlace writes down where this node takes calls and media, whenever that is news.
func (n *Node) tellPlace(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(tellPlaceEvery/2 + rand.N(tellPlaceEvery)): // not all nodes at once
		}
		ask, cancel := context.WithTimeout(ctx, tellPlaceWithin)
		if err := n.putPlace(ask); err != nil && events.CodeOf(err) != events.CodeConflict {
			n.log.Debug("where this node takes calls could not be written down yet", "err", err)
		}
		cancel()
	}
}

// putPlace puts this node's place among the others'. Those of nodes that were removed go.
func (n *Node) putPlace(ctx context.Context) error {
	cat, own := n.Catalog(), n.settings.place()
	item, _ := cat.Get(catalog.Ref{Kind: catalog.KindSettings, ID: "settings"})
	s := proto.CloneOf(cat.Settings())
	at := slices.IndexFunc(s.NodePlaces, func(p *wire.NodePlace) bool { return p.Node == own.Node })
	if at >= 0 && proto.Equal(s.NodePlaces[at], own) || slices.Contains(s.RemovedNodes, own.Node) {
		return nil
	}
	s.NodePlaces = slices.DeleteFunc(s.NodePlaces, func(p *wire.NodePlace) bool {
		return p.Node == own.Node || slices.Contains(s.RemovedNodes, p.Node)
	})
	s.NodePlaces = append(s.NodePlaces, own)
	slices.SortFunc(s.NodePlaces, func(a, b *wire.NodePlace) int { return strings.Compare(a.Node, b.Node) })
	_, err := n.book.Execute(ctx, n.ownEdit(catalog.EntityOf(s), item.Version, "where this node takes calls and media"))
	return err
}
