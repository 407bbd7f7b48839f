package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
)

// read gives each of at most count events of a stream; there may be none, or no stream.
func read(ctx context.Context, client *esdb.Client, stream string, way esdb.Direction, from esdb.StreamPosition, count uint64, give func(*esdb.RecordedEvent) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events, err := client.ReadStream(ctx, stream, esdb.ReadStreamOptions{Direction: way, From: from, RequiresLeader: true}, count)
	if missing(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read eventstore: %w", err)
	}
	defer events.Close()
	for {
		e, err := receive(events)
		switch {
		case errors.Is(err, io.EOF), missing(err):
			return nil
		case err != nil:
			return fmt.Errorf("read eventstore: %w", err)
		}
		if err := give(e.OriginalEvent()); err != nil {
			return err
		}
	}
}

// receive gets the next event. The client panics at messages that it does not know, which
// later servers may send; a copy must not end the node.
func receive(events *esdb.ReadStream) (e *esdb.ResolvedEvent, err error) {
	defer func() {
		if caught := recover(); caught != nil {
			err = fmt.Errorf("the server sent a message that the client does not know: %v", caught)
		}
	}()
	return events.Recv()
}

func missing(err error) bool {
	told, none := esdb.FromError(err)
	return !none && told.IsErrorCode(esdb.ErrorCodeResourceNotFound)
}

// pageSize is how many events one read asks for.
const pageSize = 2000

// pages reads a stream from its beginning, a page at a time.
type pages struct {
	client *esdb.Client
	stream string
	page   []*esdb.RecordedEvent
	at     uint64 // the revision behind the page
	ended  bool
}

// next is the next event, nil at the end.
func (p *pages) next(ctx context.Context) (*esdb.RecordedEvent, error) {
	if len(p.page) == 0 && !p.ended {
		err := read(ctx, p.client, p.stream, esdb.Forwards, esdb.Revision(p.at), pageSize, func(e *esdb.RecordedEvent) error {
			p.page = append(p.page, e)
			return nil
		})
		if err != nil {
			return nil, err
		}
		p.ended = len(p.page) < pageSize
		p.at += uint64(len(p.page))
	}
	if len(p.page) == 0 {
		return nil, nil
	}
	e := p.page[0]
	p.page = p.page[1:]
	return e, nil
}
