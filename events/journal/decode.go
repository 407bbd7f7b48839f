package journal

import (
	"fmt"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// Decode reads the block's events. An error names the position of the one that
// cannot be read.
func (b Block) Decode() ([]*wire.Event, error) {
	evs := make([]*wire.Event, len(b.Events))
	for i, data := range b.Events {
		e, err := events.Unmarshal(data)
		if err != nil {
			return nil, fmt.Errorf("%s position %d: %w", b.Journal, b.First+uint64(i), err)
		}
		evs[i] = e
	}
	return evs, nil
}

// Recorded says of each of the block's decoded events where it stands.
func (b Block) Recorded(evs []*wire.Event) []events.Recorded {
	out := make([]events.Recorded, len(evs))
	for i, e := range evs {
		out[i] = events.Recorded{
			Journal: b.Journal, Sequence: b.Sequence, Position: b.First + uint64(i), TimeUS: b.Time.UnixMicro(), Event: e, Raw: b.Events[i],
		}
	}
	return out
}
