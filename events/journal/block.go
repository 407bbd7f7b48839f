package journal

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events/wire"
)

// The fields of wire.Block.
const (
	fieldHeader = 1
	fieldEvents = 2
)

// draft is a block that was encoded and may be published any number of times:
// always these bytes, always this id.
type draft struct {
	block Block
	data  []byte
	id    string
}

// draft encodes the block that follows the cursor. The block's time is t, or a
// microsecond after the block before if that is later. The error is ErrTooLarge
// when a limit is passed.
func (c Cursor) draft(journal, writer string, t time.Time, epoch uint64, events [][]byte) (draft, error) {
	for i, e := range events {
		if len(e) > MaxEvent {
			return draft{}, fmt.Errorf("event %d of %d has %d bytes, the limit is %d: %w", i+1, len(events), len(e), MaxEvent, ErrTooLarge)
		}
	}
	if epoch < c.Epoch {
		return draft{}, fmt.Errorf("epoch %d is before the journal's epoch %d", epoch, c.Epoch)
	}
	at := max(t.UnixMicro(), c.Time+1)
	root := Root(events)
	h := &wire.BlockHeader{
		Journal:       journal,
		Number:        c.Number + 1,
		Writer:        writer,
		Epoch:         epoch,
		TimeUs:        at,
		EventCount:    uint32(len(events)),
		FirstPosition: c.Next(),
		MerkleRoot:    root[:],
	}
	if c.Number > 0 {
		h.PreviousHash = c.Head[:]
	}
	header, err := proto.MarshalOptions{Deterministic: true}.Marshal(h)
	if err != nil {
		return draft{}, fmt.Errorf("encode block header: %w", err)
	}
	data := encode(header, events)
	if len(data) > MaxBlock {
		return draft{}, fmt.Errorf("block of %d events has %d bytes, the limit is %d: %w", len(events), len(data), MaxBlock, ErrTooLarge)
	}
	b := Block{
		Journal: journal, Writer: writer, Number: c.Number + 1, Epoch: epoch, First: c.Next(),
		Time: time.UnixMicro(at).UTC(), Hash: sha256.Sum256(header), Previous: c.Head, Header: header, Events: events,
	}
	return draft{block: b, data: data, id: blockID(b)}, nil
}

func encode(header []byte, events [][]byte) []byte {
	size := len(header) + 8
	for _, e := range events {
		size += len(e) + 8
	}
	data := protowire.AppendTag(make([]byte, 0, size), fieldHeader, protowire.BytesType)
	data = protowire.AppendBytes(data, header)
	for _, e := range events {
		data = protowire.AppendTag(data, fieldEvents, protowire.BytesType)
		data = protowire.AppendBytes(data, e)
	}
	return data
}

// blockID is the message id of a block. It follows from the block, so a repeat
// has the same one, and a reader can check it.
func blockID(b Block) string {
	return b.Journal + "." + strconv.FormatUint(b.Number, 10) + "." + hex.EncodeToString(b.Hash[:16])
}

// decode reads a block's bytes strictly: one header, then events, and nothing
// that a hash does not cover. It checks the block in itself, not its place.
func decode(data []byte) (Block, error) {
	header, rest, err := field(data, fieldHeader)
	if err != nil {
		return Block{}, fmt.Errorf("header: %w", err)
	}
	var h wire.BlockHeader
	if err := proto.Unmarshal(header, &h); err != nil {
		return Block{}, fmt.Errorf("header is not readable: %w", err)
	}
	if int(h.GetEventCount()) > len(rest)/2 {
		return Block{}, fmt.Errorf("header counts %d events, %d bytes cannot hold them", h.GetEventCount(), len(rest))
	}
	events := make([][]byte, 0, h.GetEventCount())
	for len(rest) > 0 {
		var e []byte
		if e, rest, err = field(rest, fieldEvents); err != nil {
			return Block{}, fmt.Errorf("event %d: %w", len(events)+1, err)
		}
		events = append(events, e)
	}
	if len(events) != int(h.GetEventCount()) {
		return Block{}, fmt.Errorf("header counts %d events, the block has %d", h.GetEventCount(), len(events))
	}
	if root := Root(events); string(root[:]) != string(h.GetMerkleRoot()) {
		return Block{}, errors.New("the events do not match the header's Merkle root")
	}
	b := Block{
		Journal: h.GetJournal(), Writer: h.GetWriter(), Number: h.GetNumber(), Epoch: h.GetEpoch(),
		First: h.GetFirstPosition(), Time: time.UnixMicro(h.GetTimeUs()).UTC(),
		Hash: sha256.Sum256(header), Header: header, Events: events,
	}
	switch n := len(h.GetPreviousHash()); {
	case b.Number == 1 && n != 0:
		return Block{}, errors.New("the first block names one before it")
	case b.Number != 1 && n != sha256.Size:
		return Block{}, fmt.Errorf("the previous hash has %d bytes, want %d", n, sha256.Size)
	}
	copy(b.Previous[:], h.GetPreviousHash())
	return b, nil
}

// field reads one length-delimited field with the given number, in its one
// shortest form.
func field(data []byte, number protowire.Number) (value, rest []byte, err error) {
	got, kind, n := protowire.ConsumeTag(data)
	if n < 0 {
		return nil, nil, protowire.ParseError(n)
	}
	if got != number || kind != protowire.BytesType {
		return nil, nil, fmt.Errorf("field %d of wire type %d, want field %d of bytes", got, kind, number)
	}
	value, m := protowire.ConsumeBytes(data[n:])
	if m < 0 {
		return nil, nil, protowire.ParseError(m)
	}
	if n != protowire.SizeTag(number) || m != protowire.SizeBytes(len(value)) {
		return nil, nil, errors.New("a length is not in its shortest form")
	}
	return value, data[n+m:], nil
}

// check decodes a message and proves that it is the journal's next block after
// the cursor. The error is a *Broken.
func (c Cursor) check(journal string, m Message) (Block, error) {
	b, err := decode(m.Data)
	if err != nil {
		return Block{}, c.broken(journal, m.Sequence, "%v", err)
	}
	b.Sequence = m.Sequence
	switch at := b.Time.UnixMicro(); {
	case b.Journal != journal || m.Subject != journal:
		return Block{}, c.broken(journal, m.Sequence, "the block is of journal %q on subject %q", b.Journal, m.Subject)
	case b.Number != c.Number+1:
		return Block{}, c.broken(journal, m.Sequence, "block %d comes here, block %d is missing", b.Number, c.Number+1)
	case b.Previous != c.Head:
		return Block{}, c.broken(journal, m.Sequence, "the block follows one with hash %s, the block before has %s", b.Previous.Short(), c.Head.Short())
	case b.First != c.Next():
		return Block{}, c.broken(journal, m.Sequence, "the block begins with position %d", b.First)
	case c.Number > 0 && at <= c.Time:
		return Block{}, c.broken(journal, m.Sequence, "time %d µs is not after the previous block's %d µs", at, c.Time)
	case b.Epoch < c.Epoch:
		return Block{}, c.broken(journal, m.Sequence, "epoch %d is before the previous block's %d", b.Epoch, c.Epoch)
	case m.ID != blockID(b):
		return Block{}, c.broken(journal, m.Sequence, "the message id %q is not the block's", m.ID)
	case m.Sequence <= c.Sequence:
		return Block{}, c.broken(journal, m.Sequence, "the sequence is not after the previous block's %d", c.Sequence)
	}
	return b, nil
}
