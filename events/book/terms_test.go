package book_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollbook/tollbook/events/book"
	"github.com/tollbook/tollbook/events/journal"
	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
)

// TestTerms has a node keep whenever it may, and go on where the term before ended.
func TestTerms(t *testing.T) {
	s := server(t, t.TempDir())
	store := stream(t, s)
	var aside atomic.Bool
	aside.Store(true)
	follower := book.NewFollower(state.New(), journal.Cursor{})
	terms := book.NewTerms(book.TermsConfig{
		Server: s, Store: store, Follower: follower, Node: "n1", Clock: time.Now, Log: slog.New(slog.DiscardHandler),
		May: func() error {
			if aside.Load() {
				return errors.New("its clock is wrong")
			}
			return nil
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- terms.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
	no, end := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer end()
	command := func() *wire.Command { return &wire.Command{Actor: "test", Body: credit(5).Body, Key: make([]byte, 16)} }
	if _, err := terms.Book().Execute(no, command()); err == nil || terms.Keeps() || terms.Err() == nil {
		t.Fatal("a node that must not keep keeps")
	}
	aside.Store(false)
	// The account is not there: that this is said is an answer.
	if _, err := terms.Book().Execute(t.Context(), command()); err == nil || !terms.Keeps() || terms.Err() != nil {
		t.Fatal("a node that may keep does not", err, terms.Err())
	}
}
