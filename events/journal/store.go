package journal

import (
	"context"
	"errors"
)

// Errors of a Store's Append. Any other error, a time-out above all, leaves
// open whether the message was stored.
var (
	// ErrExpected says that the stream is not where the writer believes. It
	// is not proof: with replicas it is also the answer to a repeat.
	ErrExpected = errors.New("the stream's end is not where the writer expects it")
	// ErrRefused says that the store will never take this message, and has
	// not taken it.
	ErrRefused = errors.New("the store refuses the message")
	// ErrStoreClosed says that the store was stopped; what was on its way to
	// it is in doubt.
	ErrStoreClosed = errors.New("the store is closed")
)

// Message is a block as a store holds it.
type Message struct {
	// Subject is the journal's name.
	Subject string
	// Sequence is the stream sequence, from 1.
	Sequence uint64
	// ID is the message id.
	ID string
	// Data is the block. It must not be changed.
	Data []byte
}

// Append is one message to store.
type Append struct {
	Subject, ID string
	// Expect is the sequence of the message that must be the last: the
	// stream's last when it holds one journal, else the subject's.
	Expect uint64
	Data   []byte
}

// Ack says where a message came to lie.
type Ack struct {
	Sequence uint64
	// Duplicate says that a message with this id was there before.
	Duplicate bool
}

// State is the extent of a stream.
type State struct {
	// First is the first sequence still held and Last the last one given;
	// First is Last+1 when the stream holds nothing.
	First, Last uint64
	// Messages is how many are held.
	Messages uint64
}

// Live is a feed of committed messages of one subject. It may lose messages
// when the receiver is slow or the connection breaks; it is a hint to read, with
// the block already in it.
type Live struct {
	C    <-chan Message
	Stop func()
}

// Store is an ordered stream of messages. Methods are safe for concurrent use.
type Store interface {
	// Name is the stream's name, "BOOK" or "LOG".
	Name() string
	// Identity differs between two streams made at different times.
	Identity() string
	// Append stores a message behind the expected one.
	Append(ctx context.Context, a Append) (Ack, error)
	// Next is the first committed message of the subject at or after a
	// sequence, or ErrNoMessage. It is never answered by a replica that lags.
	Next(ctx context.Context, subject string, from uint64) (Message, error)
	// Last is the subject's last committed message, or ErrNoMessage.
	Last(ctx context.Context, subject string) (Message, error)
	// Read gives messages of the subject from a sequence on, as many as come
	// in one batch, and none at the end.
	Read(ctx context.Context, subject string, from uint64) ([]Message, error)
	// Subjects are the subjects that have messages, sorted.
	Subjects(ctx context.Context) ([]string, error)
	// State is the stream's extent.
	State(ctx context.Context) (State, error)
	// Live starts a feed with room for some messages.
	Live(subject string) (Live, error)
	// Purge removes the subject's messages before a sequence. The last one is
	// never removed: the chain and the expected sequence hang on it.
	Purge(ctx context.Context, subject string, before uint64) error
}

const (
	// batchMessages and batchBytes bound one batch of Read.
	batchMessages = 4096
	batchBytes    = 4 << 20
	// liveQueue is how many messages a feed holds for a slow receiver.
	liveQueue = 1024
)
