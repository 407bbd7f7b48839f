// Package events holds what every room of the house shares about facts: the
// domain errors, the ids, and how an event is written into and read out of bytes.
package events

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events/wire"
)

// Position counts the events of one journal from 1.
type Position uint64

// CallID names a call on every node and in every journal. It is a UUID of
// version 7 (RFC 9562): its first 48 bits are the Unix time in milliseconds, so
// an id tells the UTC day under which the call's CDRs lie.
type CallID [16]byte

// NewCallID makes the id of a call that began at t, from ten random bytes.
func NewCallID(t time.Time, random [10]byte) CallID {
	var id CallID
	ms := uint64(t.UnixMilli())
	binary.BigEndian.PutUint64(id[:8], ms<<16)
	copy(id[6:], random[:])
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// ParseCallID reads the text form of a call id, with or without dashes.
func ParseCallID(s string) (CallID, error) {
	var id CallID
	compact := make([]byte, 0, 32)
	for i := range len(s) {
		if s[i] != '-' {
			compact = append(compact, s[i])
		}
	}
	if len(compact) != 32 {
		return id, Invalid("call id %q has not 32 hexadecimal digits", s)
	}
	if _, err := hex.Decode(id[:], compact); err != nil {
		return id, Invalid("call id %q is not hexadecimal", s)
	}
	return id, nil
}

// CallIDFrom takes a call id out of an event's bytes.
func CallIDFrom(b []byte) (CallID, error) {
	if len(b) != len(CallID{}) {
		return CallID{}, Invalid("a call id has 16 bytes, not %d", len(b))
	}
	return CallID(b), nil
}

// Time is when the call began, to the millisecond.
func (id CallID) Time() time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(id[:8]) >> 16)).UTC()
}

// String writes the id as a UUID.
func (id CallID) String() string {
	var text [36]byte
	at := 0
	for _, part := range [...][]byte{id[0:4], id[4:6], id[6:8], id[8:10], id[10:16]} {
		if at > 0 {
			text[at] = '-'
			at++
		}
		at += hex.Encode(text[at:], part)
	}
	return string(text[:])
}

// IsZero tells that there is no id.
func (id CallID) IsZero() bool { return id == CallID{} }

// MarshalText writes the id as String does.
func (id CallID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what ParseCallID does.
func (id *CallID) UnmarshalText(text []byte) error {
	parsed, err := ParseCallID(string(text))
	*id = parsed
	return err
}

// Scan reads an id out of a table's BLOB column; none is the zero id.
func (id *CallID) Scan(value any) error {
	b, ok := value.([]byte)
	if !ok || len(b) != len(id) && len(b) != 0 {
		return fmt.Errorf("a call id is a BLOB of 16 bytes, not %T of %d", value, len(b))
	}
	*id = CallID{}
	copy(id[:], b)
	return nil
}

// Key is a command's idempotency key: 16 bytes, the same on every repeat.
type Key [16]byte

// KeyOf derives a key from the words that name a command: the same words give
// the same key. Each word is preceded by its length, so that no two lists meet.
func KeyOf(words ...string) Key {
	var room [128]byte
	all := room[:0]
	for _, w := range words {
		all = append(binary.BigEndian.AppendUint32(all, uint32(len(w))), w...)
	}
	sum := sha256.Sum256(all)
	return Key(sum[:16])
}

// EventID derives the id of the n-th event that a command led to.
func EventID(key []byte, n int) []byte {
	var room [64]byte
	sum := sha256.Sum256(binary.BigEndian.AppendUint32(append(room[:0], key...), uint32(n)))
	return bytes.Clone(sum[:16])
}

// Marshal writes an event in the bytes that a block keeps.
func Marshal(e *wire.Event) ([]byte, error) { return Append(nil, e) }

// Append is Marshal behind what stands in dst.
func Append(dst []byte, e *wire.Event) ([]byte, error) {
	b, err := proto.MarshalOptions{}.MarshalAppend(dst, e)
	if err != nil {
		return nil, fmt.Errorf("write event: %w", err)
	}
	return b, nil
}

// Unmarshal reads an event out of a block's bytes.
func Unmarshal(b []byte) (*wire.Event, error) {
	e := new(wire.Event)
	if err := proto.Unmarshal(b, e); err != nil {
		return nil, fmt.Errorf("read event: %w", err)
	}
	return e, nil
}

// Micros is t as events keep it: UTC microseconds since 1970.
func Micros(t time.Time) int64 { return t.UnixMicro() }

// Instant is the time that us microseconds since 1970 name, in UTC.
func Instant(us int64) time.Time { return time.UnixMicro(us).UTC() }
