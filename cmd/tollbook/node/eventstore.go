package node

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollbook/tollbook/events/book"
	"github.com/tollbook/tollbook/projections/mirror"
)

// EventStore says where the book is copied to.
type EventStore struct {
	// URL is a connection string, as esdb://user@host:2113; none copies nothing.
	URL    string `yaml:"url"`
	Stream string `yaml:"stream"`
	// PasswordFile is a file with the password of the URL's user in it.
	PasswordFile string `yaml:"password_file"`
}

func defaultEventStore() EventStore { return EventStore{Stream: "tollbook-book"} }

func (e EventStore) check() error {
	switch {
	case e.URL == "":
		return nil
	case e.Stream == "" || strings.HasPrefix(e.Stream, "$"):
		return fmt.Errorf("eventstore.stream %q is not a stream's name; those with a $ are the server's own", e.Stream)
	}
	if u, err := url.Parse(e.URL); err == nil && u.User != nil {
		if _, is := u.User.Password(); is && e.PasswordFile != "" {
			return errors.New("eventstore.url has a password, and so has eventstore.password_file: name one")
		}
	}
	return nil
}

// connection is the URL with the password.
func (e EventStore) connection() (string, error) {
	if e.PasswordFile == "" {
		return e.URL, nil
	}
	text, err := os.ReadFile(e.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("read eventstore.password_file: %w", err)
	}
	u, err := url.Parse(e.URL)
	if err != nil || u.User == nil {
		return "", errors.New("eventstore.url names no user for the password of eventstore.password_file")
	}
	u.User = url.UserPassword(u.User.Username(), strings.TrimRight(string(text), "\r\n"))
	return u.String(), nil
}

// compareMirrorEvery is how often the whole copy is compared with the book.
const compareMirrorEvery = 24 * time.Hour

// openEventStore makes ready for the copying of the book, if it is wanted.
func (n *Node) openEventStore() error {
	e := n.settings.EventStore
	if e.URL == "" {
		return nil
	}
	at, err := e.connection()
	if err != nil {
		return err
	}
	n.mirror, err = mirror.Open(mirror.Config{URL: at, Stream: e.Stream, Writes: n.terms.Keeps, Log: n.log}, n.bookStore, book.Journal)
	return err
}

// copyBook goes on until the node closes.
func (n *Node) copyBook() {
	if n.mirror == nil {
		return
	}
	n.task("eventstore", func(ctx context.Context) error {
		n.mirror.Run(ctx)
		return nil
	})
	n.task("compare with eventstore", func(ctx context.Context) error {
		tick := time.NewTicker(compareMirrorEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
			if !n.terms.Keeps() {
				continue
			}
			switch compared, err := n.mirror.Compare(ctx); {
			case errors.Is(err, mirror.ErrDiffers):
				n.log.Error("the copy of the book in EventStoreDB is not one", "err", err)
			case err != nil && ctx.Err() == nil:
				n.log.Warn("the copy of the book in EventStoreDB was not compared", "err", err)
			case err == nil:
				n.log.Info("the copy of the book in EventStoreDB is equal", "events", compared.Events, "missing", compared.Missing)
			}
		}
	})
}

// mirrored are the figures of the copy in EventStoreDB.
var mirrored = []figure[mirror.Stats]{
	{prometheus.NewDesc("tollbook_eventstore_sent_events_total", "Events of the book that were appended in EventStoreDB.", nil, nil), prometheus.CounterValue,
		func(s mirror.Stats) int64 { return s.Sent }},
	{prometheus.NewDesc("tollbook_eventstore_failures_total", "Attempts to copy to EventStoreDB that failed.", nil, nil), prometheus.CounterValue,
		func(s mirror.Stats) int64 { return s.Failures }},
	{prometheus.NewDesc("tollbook_eventstore_position", "The book's last position that this node knows to be in EventStoreDB.", nil, nil), prometheus.GaugeValue,
		func(s mirror.Stats) int64 { return s.Position }},
	{prometheus.NewDesc("tollbook_eventstore_differs", "1 if the stream in EventStoreDB is not a copy of this book.", nil, nil), prometheus.GaugeValue,
		func(s mirror.Stats) int64 {
			if s.Differs {
				return 1
			}
			return 0
		}},
}
