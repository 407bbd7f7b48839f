// Package journal keeps events in blocks, in order, on a stream.
//
// A journal is a sequence of blocks by one writer at a time; its name is the
// subject it is published on ("book", "log.calls.n1"). A block is one message
// of the stream: a header and the events it covers. The header holds the Merkle
// root (RFC 6962) of the event bytes and the hash of the block before, so the
// last hash vouches for everything behind it. Hashes are taken over stored
// bytes, never over a re-encoded message.
//
// Three numbers place a fact. Position counts the events of a journal from 1.
// Number counts its blocks from 1. Sequence is the stream's own count of
// messages; several journals share a stream, so a journal's sequences rise with
// gaps. None of the three is trusted alone: a damaged stream may come back
// shorter and re-use sequences, so heads.log remembers outside the stream what
// was acknowledged, and every reader checks the chain.
//
// Writer and Log write, Read and Follow read, Verify checks, Archive keeps what
// was trimmed from the stream.
package journal

import (
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// Limits of a block. They stay below NATS's payload of 1 MB with room for
// headers.
const (
	// MaxEvent is the longest event, in bytes.
	MaxEvent = 64 << 10
	// MaxBlock is the longest block as stored, in bytes.
	MaxBlock = 512 << 10
)

// Errors that callers tell apart.
var (
	// ErrFenced says that another writer committed the block that ours
	// would have been. The writer is of no more use: read the journal to its
	// end and open a new one.
	ErrFenced = errors.New("another writer was first")
	// ErrInDoubt says that a block was published and it is not known whether
	// it was committed. Settle finds out.
	ErrInDoubt = errors.New("a published block is neither committed nor refused yet")
	// ErrTooLarge says that an event or a block is over its limit.
	ErrTooLarge = errors.New("too large")
	// ErrClosed says that the writer or log was closed.
	ErrClosed = errors.New("closed")
	// ErrQueueFull says that a log takes nothing more before the store has
	// caught up.
	ErrQueueFull = errors.New("queue is full")
	// ErrNoMessage says that a stream holds no such message.
	ErrNoMessage = errors.New("no such message")
)

// Hash is a SHA-256.
type Hash [32]byte

// String is the hash in hex.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Short is the first 12 hex digits, for messages to people.
func (h Hash) Short() string { return hex.EncodeToString(h[:6]) }

// Cursor is a place between two blocks of a journal: all up to it was read. The
// zero Cursor is the place before the first block.
type Cursor struct {
	// Sequence is the stream sequence of the last block, 0 before the first.
	Sequence uint64
	// Number is the last block's number, 0 before the first.
	Number uint64
	// Position is the position of the last event, 0 before the first.
	Position uint64
	// Head is the last block's hash.
	Head Hash
	// Time is the last block's time, in UTC microseconds since 1970.
	Time int64
	// Epoch is the last block's epoch.
	Epoch uint64
}

// Next is the position that the next event will have.
func (c Cursor) Next() uint64 { return c.Position + 1 }

// Block is one verified block.
type Block struct {
	Journal string
	// Writer is the node that wrote it.
	Writer string
	Number uint64
	Epoch  uint64
	// Sequence is the stream sequence, 0 while it is only in a spool.
	Sequence uint64
	// First is the position of the first event; an empty block names the
	// position that the next event will have.
	First uint64
	// Time is the block's time, UTC, in microseconds: the recorded-at of its
	// events.
	Time time.Time
	Hash Hash
	// Previous is the hash of the block before.
	Previous Hash
	// Header is the header's bytes as stored; Hash is their SHA-256. They must
	// not be changed.
	Header []byte
	// Events are the event bytes. They must not be changed.
	Events [][]byte
}

// Cursor is the place behind the block.
func (b Block) Cursor() Cursor {
	return Cursor{
		Sequence: b.Sequence,
		Number:   b.Number,
		Position: b.First + uint64(len(b.Events)) - 1,
		Head:     b.Hash,
		Time:     b.Time.UnixMicro(),
		Epoch:    b.Epoch,
	}
}

// Committed says where a block came to lie.
type Committed struct {
	// Cursor is the place behind the block. Its Sequence is 0 when the block
	// lies in the spool and not yet in the stream.
	Cursor
	// First is the position of the block's first event.
	First uint64
	// Events is how many events the block has.
	Events int
	// Spooled says that the block is durable in the node's spool only.
	Spooled bool
}

// Broken says where a journal stops being true: nothing at or after it may be
// used.
type Broken struct {
	// Journal is the journal's name.
	Journal string
	// Sequence is the stream sequence of the wrong block, or of the last
	// right one when blocks are missing behind it.
	Sequence uint64
	// Position is the first position that is wrong or missing.
	Position uint64
	// Number is the number of the first block that is wrong or missing.
	Number uint64
	// Reason says what is wrong.
	Reason string
}

// Error names the first wrong or missing position and what to do.
func (b *Broken) Error() string {
	return fmt.Sprintf("journal %s is broken at position %d (block %d, stream sequence %d): %s; "+
		"everything before it is sound, restore the rest from a replica, the archive or a backup",
		b.Journal, b.Position, b.Number, b.Sequence, b.Reason)
}

// broken makes a Broken for the block that should follow the cursor.
func (c Cursor) broken(journal string, sequence uint64, format string, args ...any) *Broken {
	return &Broken{
		Journal:  journal,
		Sequence: sequence,
		Position: c.Next(),
		Number:   c.Number + 1,
		Reason:   fmt.Sprintf(format, args...),
	}
}
