package mirror

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/journal"
	"github.com/tollbook/tollbook/events/wire"
)

// note is an event's metadata: what its JSON does not say.
type note struct {
	// Position is the event's place in the book, RecordedAtUS when its block was written.
	Position     uint64 `json:"position,string"`
	RecordedAtUS int64  `json:"recorded_at_us,string"`
	// SHA256 is of the event's bytes in the book: the canonical encoding.
	SHA256 string `json:"sha256"`
	// Block is the number of its block, the others say where that block follows.
	Block          uint64 `json:"block,string"`
	BeforeSequence uint64 `json:"before_sequence,string"`
	BeforePosition uint64 `json:"before_position,string"`
	BeforeHead     string `json:"before_head"`
	BeforeTimeUS   int64  `json:"before_time_us,string"`
	BeforeEpoch    uint64 `json:"before_epoch,string"`
}

func (n *note) before() journal.Cursor {
	c := journal.Cursor{Sequence: n.BeforeSequence, Number: n.Block - 1, Position: n.BeforePosition, Time: n.BeforeTimeUS, Epoch: n.BeforeEpoch}
	_, _ = hex.Decode(c.Head[:], []byte(n.BeforeHead)) // a wrong one breaks the chain
	return c
}

func readNote(e *esdb.RecordedEvent) (*note, error) {
	n := new(note)
	if err := json.Unmarshal(e.UserMetadata, n); err != nil || n.Position == 0 || n.Block == 0 || len(n.BeforeHead) != 2*sha256.Size {
		return nil, fmt.Errorf("%w: its revision %d was not written by Tollbook", ErrDiffers, e.EventNumber)
	}
	return n, nil
}

// proposed is an event as it is appended. Its data is JSON, by the names of
// schema/events; what JSON cannot say without a loss is the book's own bytes.
func proposed(b *journal.Block, i int, before journal.Cursor) (esdb.EventData, error) {
	stored, position := b.Events[i], b.First+uint64(i)
	e, err := events.Unmarshal(stored)
	if err != nil {
		return esdb.EventData{}, err
	}
	out := esdb.EventData{EventID: idOf(position, stored), EventType: kindOf(e), ContentType: esdb.ContentTypeJson}
	if out.Data, err = asJSON(e); err != nil {
		return esdb.EventData{}, err
	}
	if back, err := fromJSON(out.Data); err != nil || !bytes.Equal(back, stored) {
		out.Data, out.ContentType = stored, esdb.ContentTypeBinary
	}
	out.Metadata, err = json.Marshal(note{
		Position: position, RecordedAtUS: events.Micros(b.Time), SHA256: hashed(stored), Block: b.Number,
		BeforeSequence: before.Sequence, BeforePosition: before.Position, BeforeHead: hex.EncodeToString(before.Head[:]),
		BeforeTimeUS: before.Time, BeforeEpoch: before.Epoch,
	})
	return out, err
}

// asJSON is the same text for the same event: protojson varies its blanks.
func asJSON(e *wire.Event) ([]byte, error) {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(e)
	if err != nil {
		return nil, err
	}
	var dense bytes.Buffer
	err = json.Compact(&dense, text)
	return dense.Bytes(), err
}

// fromJSON gives the bytes that the book has for a JSON.
func fromJSON(text []byte) ([]byte, error) {
	e := new(wire.Event)
	if err := protojson.Unmarshal(text, e); err != nil {
		return nil, err
	}
	return events.Marshal(e)
}

// bytesOf gives the book's bytes for an event of the stream.
func bytesOf(e *esdb.RecordedEvent) ([]byte, error) {
	if e.ContentType == "application/json" {
		return fromJSON(e.Data)
	}
	return e.Data, nil
}

// kindOf is the event's kind as it is named in schema/events, as "call_charged".
func kindOf(e *wire.Event) string {
	m := e.ProtoReflect()
	if field := m.WhichOneof(m.Descriptor().Oneofs().ByName("body")); field != nil {
		return string(field.Name())
	}
	return string(protoreflect.Name("unknown"))
}

func hashed(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// idOf is a UUIDv8 of an event's place and bytes.
func idOf(position uint64, stored []byte) (id uuid.UUID) {
	sum := sha256.Sum256(append(binary.BigEndian.AppendUint64([]byte("tollbook/book/"), position), stored...))
	copy(id[:], sum[:])
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	return id
}
