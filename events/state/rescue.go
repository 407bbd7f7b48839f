package state

import (
	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

const (
	// maxRescues bounds the rescues of one book.
	maxRescues = 1000
	// maxRescued bounds the journals of a rescue: two of each node.
	maxRescued = 500
	maxText    = 200
)

// recordRescue decides that the book goes on from one survivor's store. The same rescue
// again is a repeat.
func (s *State) recordRescue(r *wire.StoreRescued) ([]*wire.Event, *wire.Reply, error) {
	if err := checkRescue(r); err != nil {
		return nil, nil, err
	}
	for _, old := range s.Rescues {
		if proto.Equal(old.Rescued, r) {
			return nil, &wire.Reply{Repeated: true}, nil
		}
	}
	if len(s.Rescues) >= maxRescues {
		return nil, nil, events.Refuse(events.CodeConflict, "the book has been rescued %d times", maxRescues)
	}
	return one(nil, &wire.Event{Body: &wire.Event_StoreRescued{StoreRescued: r}}), &wire.Reply{}, nil
}

func checkRescue(r *wire.StoreRescued) error {
	switch {
	case r.GetNode() == "" || len(r.Node) > maxText:
		return events.Invalid("rescue: name the node whose store it was, in at most %d bytes", maxText)
	case r.Reason == "" || len(r.Reason) > maxNote:
		return events.Invalid("rescue: say why, in at most %d bytes", maxNote)
	case len(r.Journals) == 0 || len(r.Journals) > maxRescued:
		return events.Invalid("rescue: 1 to %d journals are rescued, not %d", maxRescued, len(r.Journals))
	}
	for i, j := range r.Journals {
		if j.Journal == "" || len(j.Journal) > maxText || i > 0 && j.Journal <= r.Journals[i-1].Journal {
			return events.Invalid("rescue: journals[%d]: %q is no name, or not in order", i, j.Journal)
		}
		if j.HeardNumber < j.Number || j.HeardPosition < j.Position {
			return events.Invalid("rescue: journals[%d]: less is known of %s than was kept", i, j.Journal)
		}
	}
	return nil
}

// addRescues puts the rescues into a hash. A book without any has the hash that it has
// always had.
func (s *State) addRescues(sum *events.Sum) {
	for _, r := range s.Rescues {
		sum.Add(events.Canonical([]byte{'R'}, r))
	}
}
