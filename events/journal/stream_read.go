package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"

	"github.com/tollbook/tollbook/events/cluster"
)

// Read asks for a batch by direct get. In a cluster any replica may answer, and
// one that lags answers with less; a reader that must have the end compares with
// Last.
func (s *Stream) Read(ctx context.Context, subject string, from uint64) ([]Message, error) {
	out, err := s.batch(ctx, getRequest{Seq: max(from, 1), NextFor: subject, Batch: batchMessages, MaxBytes: batchBytes})
	if err != nil {
		return nil, fmt.Errorf("read %s from sequence %d: %w", subject, from, closed(err))
	}
	return out, nil
}

func (s *Stream) batch(ctx context.Context, req getRequest) ([]Message, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	text, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	inbox := s.nc.NewInbox()
	sub, err := s.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer func() { _ = sub.Unsubscribe() }() // A closed connection has none.
	if err := s.nc.PublishRequest("$JS.API.DIRECT.GET."+s.name, inbox, text); err != nil {
		return nil, err
	}
	var out []Message
	for {
		msg, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return nil, err
		}
		switch status := msg.Header.Get("Status"); status {
		case "":
			m, err := fromDirect(msg)
			if err != nil {
				return nil, err
			}
			out = append(out, m)
		case "204", "404": // end of batch; nothing found
			return out, nil
		case "503":
			return nil, nats.ErrNoResponders
		default:
			return nil, errors.New(status + " " + msg.Header.Get("Description"))
		}
	}
}

func fromDirect(msg *nats.Msg) (Message, error) {
	seq, err := strconv.ParseUint(msg.Header.Get("Nats-Sequence"), 10, 64)
	if err != nil {
		return Message{}, fmt.Errorf("sequence of a message: %w", err)
	}
	return Message{
		Subject:  msg.Header.Get("Nats-Subject"),
		Sequence: seq,
		ID:       msg.Header.Get(nats.MsgIdHdr),
		Data:     msg.Data,
	}, nil
}

// Live subscribes to what the stream republishes after it is committed.
func (s *Stream) Live(subject string) (Live, error) {
	raw := make(chan *nats.Msg, liveQueue)
	sub, err := s.nc.ChanSubscribe(cluster.DonePrefix+subject, raw)
	if err != nil {
		return Live{}, fmt.Errorf("follow %s: %w", subject, err)
	}
	if err := s.nc.Flush(); err != nil {
		return Live{}, errors.Join(fmt.Errorf("follow %s: %w", subject, err), sub.Unsubscribe())
	}
	out := make(chan Message)
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case msg := <-raw:
				m, err := fromDirect(msg)
				if err != nil {
					continue // Not a republished block; reading decides.
				}
				select {
				case out <- m:
				case <-done:
					return
				}
			}
		}
	}()
	stop := func() {
		_ = sub.Unsubscribe() // A closed connection has none.
		close(done)
		<-ended
	}
	return Live{C: out, Stop: stop}, nil
}
