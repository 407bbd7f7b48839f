package resolve

import (
	"bytes"
	"context"
	"net/url"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/interconnect"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/model"
)

// InterconnectPath is where sheets are had as files.
const InterconnectPath = "/export/interconnect"

// peerKinds are the peers that have a sheet.
var peerKinds = []catalog.Kind{catalog.KindOriginator, catalog.KindTerminator}

// Interconnect is the sheet of a peer that the viewer sees; false if there is none.
func (r *Resolver) Interconnect(ctx context.Context, id string) (interconnect.Sheet, bool) {
	for _, kind := range peerKinds {
		if item, ok := r.find(ctx, kind, id); ok {
			return r.sheet(item.Entity)
		}
	}
	return interconnect.Sheet{}, false
}

// sheet is that of a peer, once any node has said where it takes calls.
func (r *Resolver) sheet(e *wire.Entity) (interconnect.Sheet, bool) {
	places := r.Backend.Places()
	if len(places) == 0 {
		return interconnect.Sheet{}, false
	}
	return interconnect.Of(places, e)
}

// told is what a peer was told last, and when.
func told(e *wire.Entity) (hash []byte, atUS int64) {
	if o := e.GetOriginator(); o != nil {
		return o.SheetTold, o.SheetToldUs
	}
	t := e.GetTerminator()
	return t.GetSheetTold(), t.GetSheetToldUs()
}

func disabled(e *wire.Entity) bool {
	return e.GetOriginator().GetDisabled() || e.GetTerminator().GetDisabled()
}

// interconnect shows a sheet; nil where there is none yet.
func (r *Resolver) interconnect(e *wire.Entity) *model.Interconnect {
	s, ok := r.sheet(e)
	if !ok {
		return nil
	}
	id := model.ID(s.Peer.Kind, s.Peer.ID)
	hash, at := told(e)
	out := &model.Interconnect{
		Peer: id, Key: s.Peer.ID, Domain: text(s.Zone), Codecs: append([]string{}, s.Codecs...),
		Signalling: []*model.InterconnectDoor{}, Media: []*model.InterconnectMedia{},
		Current: bytes.Equal(hash, s.Hash()), URL: InterconnectPath + "?peer=" + url.QueryEscape(id),
	}
	if at != 0 {
		t := time.UnixMicro(at).UTC()
		out.ToldAt = &t
	}
	for _, d := range s.Signalling {
		out.Signalling = append(out.Signalling, &model.InterconnectDoor{
			Node: text(d.Node), Listener: d.Listener, Address: d.Address, Transport: d.Transport, Port: int(d.Port),
		})
	}
	for _, m := range s.Media {
		out.Media = append(out.Media, &model.InterconnectMedia{Node: m.Node, Address: m.Address, PortFrom: int(m.From), PortTo: int(m.To)})
	}
	return out
}

func (r *Resolver) interconnectOf(ctx context.Context, kind catalog.Kind, id string) *model.Interconnect {
	item, ok := r.find(ctx, kind, id)
	if !ok {
		return nil
	}
	return r.interconnect(item.Entity)
}

// interconnects are the sheets of all peers, or of those that are to be told.
func (r *Resolver) interconnects(ctx context.Context, stale bool) []*model.Interconnect {
	out := []*model.Interconnect{}
	for _, kind := range peerKinds {
		for _, row := range r.list(ctx, kind, func(e *wire.Entity) bool { return !disabled(e) }) {
			if s := r.interconnect(row.node.Entity); s != nil && (!stale || !s.Current) {
				out = append(out, s)
			}
		}
	}
	return out
}

// tell notes that a peer has been told its sheet.
func (r *Resolver) tell(ctx context.Context, id string) (*model.InterconnectToldPayload, error) {
	ref, found := catalog.Ref{}, false
	for _, kind := range peerKinds {
		if item, ok := r.find(ctx, kind, id); ok {
			ref, found = catalog.RefOf(item.Entity), true
		}
	}
	if !found {
		mistakes, err := userErrors(events.NotFound("there is no peer %.80q", id).At("input.peer"))
		return &model.InterconnectToldPayload{UserErrors: mistakes}, err
	}
	out, err := r.edit(ctx, edit{ref: ref, note: "interconnect sheet told", build: func(cat *catalog.State) (*wire.Entity, error) {
		item, ok := cat.Get(ref)
		if !ok {
			return nil, events.NotFound("there is no %s", ref)
		}
		e := proto.CloneOf(item.Entity)
		s, ok := r.sheet(e)
		if !ok {
			return nil, events.Refuse(events.CodeConflict, "no node has said yet where it takes calls")
		}
		if o := e.GetOriginator(); o != nil {
			o.SheetTold, o.SheetToldUs = s.Hash(), r.Now().UnixMicro()
		} else if t := e.GetTerminator(); t != nil {
			t.SheetTold, t.SheetToldUs = s.Hash(), r.Now().UnixMicro()
		}
		return e, nil
	}})
	payload := &model.InterconnectToldPayload{Position: out.position, UserErrors: list(out.errors)}
	if err == nil && len(out.errors) == 0 {
		payload.Interconnect = r.interconnect(out.item.Entity)
	}
	return payload, err
}
