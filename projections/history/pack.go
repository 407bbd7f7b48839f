package history

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
	"google.golang.org/protobuf/proto"
)

// record is one event of a call, with its bytes as they are stored.
type record struct {
	journal  string
	position uint64
	timeUS   int64
	raw      []byte
	event    *wire.Event
}

// compare is the canonical order of a call's events: by recorded time, and
// where two journals have the same time, by name and position.
func (r record) compare(o record) int {
	return cmp.Or(
		cmp.Compare(r.timeUS, o.timeUS),
		cmp.Compare(r.journal, o.journal),
		cmp.Compare(r.position, o.position))
}

// newRecord takes the journal's bytes of an event, or makes some, the same for the
// same event.
func newRecord(r events.Recorded) (record, error) {
	if r.Raw != nil {
		return record{r.Journal, r.Position, r.TimeUS, r.Raw, r.Event}, nil
	}
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(r.Event)
	if err != nil {
		return record{}, fmt.Errorf("encode event %s/%d: %w", r.Journal, r.Position, err)
	}
	return record{r.Journal, r.Position, r.TimeUS, raw, r.Event}, nil
}

// packVersion is the first byte of packed events.
const packVersion = 1

// pack writes a call's events one after the other: journal, position, time, bytes.
func pack(records []record, into []byte) []byte {
	into = append(into, packVersion)
	journal := ""
	for _, r := range records {
		if r.journal == journal {
			into = binary.AppendUvarint(into, 0)
		} else {
			journal = r.journal
			into = binary.AppendUvarint(into, uint64(len(journal)))
			into = append(into, journal...)
		}
		into = binary.AppendUvarint(into, r.position)
		into = binary.AppendVarint(into, r.timeUS)
		into = binary.AppendUvarint(into, uint64(len(r.raw)))
		into = append(into, r.raw...)
	}
	return into
}

var errPack = errors.New("packed events are damaged")

// unpack reads what pack wrote. The records keep parts of it.
func unpack(packed []byte) ([]record, error) {
	if len(packed) == 0 || packed[0] != packVersion {
		return nil, errPack
	}
	var records []record
	journal := ""
	for in := packed[1:]; len(in) > 0; {
		name, rest, ok := cut(in)
		if !ok {
			return nil, errPack
		}
		if len(name) > 0 {
			journal = string(name)
		}
		position, n := binary.Uvarint(rest)
		if n <= 0 {
			return nil, errPack
		}
		timeUS, m := binary.Varint(rest[n:])
		if m <= 0 {
			return nil, errPack
		}
		r := record{journal: journal, position: position, timeUS: timeUS, event: new(wire.Event)}
		if r.raw, in, ok = cut(rest[n+m:]); !ok {
			return nil, errPack
		}
		if err := proto.Unmarshal(r.raw, r.event); err != nil {
			return nil, fmt.Errorf("decode event %s/%d: %w", journal, position, err)
		}
		records = append(records, r)
	}
	return records, nil
}

// cut takes bytes with their length before them off the front.
func cut(in []byte) (b, rest []byte, ok bool) {
	size, n := binary.Uvarint(in)
	if n <= 0 || size > uint64(len(in)-n) {
		return nil, nil, false
	}
	end := n + int(size)
	return in[n:end:end], in[end:], true
}

// eventsPerType bounds a call's events of one type. Events that repeat while a
// call runs are kept newest first, all others oldest first: which of a set are
// kept depends on the set alone, so the bound commutes like the fold itself.
const eventsPerType = 32

// merge adds events to a call's own, in canonical order and each only once. It
// says whether anything was added.
func merge(old, added []record) ([]record, bool) {
	all := slices.Concat(old, added)
	slices.SortFunc(all, record.compare)
	all = slices.CompactFunc(all, func(a, b record) bool {
		return a.journal == b.journal && a.position == b.position
	})
	if len(all) == len(old) {
		return old, false
	}
	if len(all) <= eventsPerType {
		return all, true
	}
	kept := limit(all)
	same := len(kept) == len(old) && slices.EqualFunc(kept, old, func(a, b record) bool {
		return a.compare(b) == 0
	})
	return kept, !same
}

// limit drops what exceeds eventsPerType.
func limit(all []record) []record {
	excess := make(map[string]int)
	for _, r := range all {
		excess[typeOf(r.event)]++
	}
	for name := range excess {
		excess[name] -= eventsPerType
	}
	drop := make([]bool, len(all))
	for i, r := range all {
		name := typeOf(r.event)
		if repeats(r.event) && excess[name] > 0 {
			excess[name]--
			drop[i] = true
		}
	}
	for i := len(all) - 1; i >= 0; i-- {
		name := typeOf(all[i].event)
		if !drop[i] && !repeats(all[i].event) && excess[name] > 0 {
			excess[name]--
			drop[i] = true
		}
	}
	var kept []record
	for i, r := range all {
		if !drop[i] {
			kept = append(kept, r)
		}
	}
	return kept
}

// repeats tells the events of which the newest are worth keeping.
func repeats(e *wire.Event) bool {
	switch e.GetBody().(type) {
	case *wire.Event_HoldExtended, *wire.Event_ChargeContested, *wire.Event_HoldClaimed:
		return true
	}
	return false
}
