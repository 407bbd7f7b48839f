package events

import "github.com/tollbook/tollbook/events/wire"

// Recorded is one event as it stands in a journal: what views are built from.
type Recorded struct {
	// Journal is "book", "log.calls.<node>" or "log.audit.<node>".
	Journal string
	// Sequence is that of the block's message in its stream.
	Sequence uint64
	// Position counts the journal's events from 1.
	Position uint64
	// TimeUS is the block's time, when the event was recorded: UTC, microseconds
	// since 1970.
	TimeUS int64
	// Event is read and never changed.
	Event *wire.Event
	// Raw is the event as the journal has it, nil where that is not known.
	Raw []byte
}
