package catalog

import (
	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// Save writes the catalog into a snapshot.
func (s *State) Save(to *wire.BookSnapshot) {
	to.CatalogPosition = uint64(s.position)
	for _, k := range Kinds() {
		for _, it := range s.List(k) {
			to.Items = append(to.Items, &wire.CatalogItem{Entity: it.Entity, Version: uint64(it.Version)})
		}
	}
}

// Load reads a catalog out of a snapshot.
func Load(from *wire.BookSnapshot) *State {
	s := New()
	for _, it := range from.Items {
		ref := RefOf(it.Entity)
		if s.items[ref.Kind] == nil {
			s.items[ref.Kind] = map[string]Item{}
		}
		s.change(events.Position(it.Version), ref, &wire.Change{Entity: it.Entity})
	}
	s.position = events.Position(from.CatalogPosition)
	return s
}
