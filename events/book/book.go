// Package book is the only way into the BOOK. The keeper decides commands one by
// one against the whole state and commits what it accepted in blocks; the Book
// brings commands to it from any goroutine of any node; the Follower folds the
// committed blocks for everybody who reads.
//
// No answer leaves before the block that it depends on is committed, a no as
// little as a yes.
package book

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/cluster"
	"github.com/tollbook/tollbook/events/wire"
)

// Journal is the name of the book's journal.
const Journal = "book"

// subject is where nodes ask for decisions.
const subject = "tollbook.book.execute"

const (
	// answerWithin is how long a command may wait for its answer.
	answerWithin = 5 * time.Second
	// askAgain is the wait before a command is repeated to a book that has no keeper
	// at the moment.
	askAgain = 20 * time.Millisecond
	// askWithin is how long another node may take to answer: it may have died with
	// the question.
	askWithin = time.Second
)

// Book executes commands.
type Book struct {
	keeper atomic.Pointer[Keeper] // nil while another node keeps, or none
	server *cluster.Server
	node   string
}

// Serve makes the Book of a keeper whose term is the only one: its own commands go
// straight to it, and those of other nodes are answered by NATS request until stop is
// called.
func Serve(ctx context.Context, server *cluster.Server, keeper *Keeper, node string) (b *Book, stop func() error, err error) {
	b = Remote(server, node)
	b.keeper.Store(keeper)
	stop, err = server.Answer(ctx, "book", subject, b.answer)
	if err != nil {
		return nil, nil, fmt.Errorf("answer the book's commands: %w", err)
	}
	return b, stop, nil
}

// Remote makes the Book of a node that does not keep.
func Remote(server *cluster.Server, node string) *Book {
	return &Book{server: server, node: node}
}

// Execute asks for a decision and waits until it is committed, for five seconds at
// most. A refusal comes back as a domain error beside the reply. While one keeper
// follows another the command is repeated, under its key. With CodeUnavailable it may
// or may not take effect: repeat it with the same key.
func (b *Book) Execute(ctx context.Context, cmd *wire.Command) (*wire.Reply, error) {
	if cmd.Node == "" {
		cmd.Node = b.node
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	for {
		reply, err := b.once(ctx, cmd)
		if err == nil {
			return reply, events.FromRefusal(reply.Error)
		}
		if events.CodeOf(err) != events.CodeUnavailable {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(askAgain):
		}
	}
}

func (b *Book) once(ctx context.Context, cmd *wire.Command) (*wire.Reply, error) {
	if k := b.keeper.Load(); k != nil {
		return k.Execute(ctx, cmd)
	}
	reply, err := b.ask(ctx, cmd)
	if err == nil && reply.Error.GetCode() == string(events.CodeUnavailable) {
		err = events.FromRefusal(reply.Error)
	}
	return reply, err
}

func (b *Book) ask(ctx context.Context, cmd *wire.Command) (*wire.Reply, error) {
	data, err := proto.Marshal(cmd)
	if err != nil {
		return nil, fmt.Errorf("write command: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	answer, err := b.server.Ask(ctx, subject, data)
	if err != nil {
		return nil, events.Refuse(events.CodeUnavailable, "the book does not answer: %v", err)
	}
	reply := new(wire.Reply)
	if err := proto.Unmarshal(answer, reply); err != nil {
		return nil, fmt.Errorf("read the book's reply: %w", err)
	}
	return reply, nil
}

func (b *Book) answer(ctx context.Context, data []byte) ([]byte, error) {
	cmd := new(wire.Command)
	if err := proto.Unmarshal(data, cmd); err != nil {
		return nil, fmt.Errorf("read command: %w", err)
	}
	k := b.keeper.Load()
	if k == nil {
		return nil, &cluster.Refusal{Code: "moved", Text: "this node keeps the book no more"}
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	reply, err := k.Execute(ctx, cmd)
	if err != nil {
		reply = &wire.Reply{Error: events.Refusal(err)}
	}
	return proto.Marshal(reply)
}

// unavailable is the answer of a keeper that cannot commit.
func unavailable(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return events.Refuse(events.CodeUnavailable, "the book did not answer in time")
	}
	return events.Refuse(events.CodeUnavailable, "the book cannot decide now: %v", err)
}
