package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tollbook/tollbook/events/cluster"
)

// askTimeout bounds one request to JetStream when the caller's context does not.
const askTimeout = 5 * time.Second

// The codes of JetStream for a publish whose outcome is open.
const (
	codeExpected = 10071 // wrong last sequence
	codePending  = 10158 // a proposal of one's own is pending
)

// Stream is a Store on a JetStream stream.
type Stream struct {
	nc       *nats.Conn
	js       jetstream.JetStream
	handle   jetstream.Stream
	name     string
	identity string
	single   bool
}

// OpenStream binds to a stream that the server holds.
func OpenStream(ctx context.Context, nc *nats.Conn, name string) (*Stream, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("open stream %s: %w", name, err)
	}
	handle, err := js.Stream(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("open stream %s: %w", name, err)
	}
	cfg := handle.CachedInfo().Config
	return &Stream{
		nc: nc, js: js, handle: handle, name: name,
		identity: cfg.Metadata[cluster.IdentityKey],
		single:   len(cfg.Subjects) == 1 && !strings.ContainsAny(cfg.Subjects[0], "*>"),
	}, nil
}

// Name is the stream's name.
func (s *Stream) Name() string { return s.name }

// Identity stands in the stream's metadata.
func (s *Stream) Identity() string { return s.identity }

// Append publishes a message and waits for the acknowledgement, which comes when
// the message is synced to disk.
func (s *Stream) Append(ctx context.Context, a Append) (Ack, error) {
	expect := jetstream.WithExpectLastSequencePerSubject(a.Expect)
	if s.single {
		expect = jetstream.WithExpectLastSequence(a.Expect)
	}
	msg := &nats.Msg{Subject: a.Subject, Data: a.Data}
	ack, err := s.js.PublishMsg(ctx, msg, jetstream.WithMsgID(a.ID), expect, jetstream.WithRetryAttempts(0))
	if err == nil {
		return Ack{Sequence: ack.Sequence, Duplicate: ack.Duplicate}, nil
	}
	var api *jetstream.APIError
	switch {
	case errors.As(err, &api) && (api.ErrorCode == codeExpected || api.ErrorCode == codePending):
		return Ack{}, fmt.Errorf("%w: %w", ErrExpected, err)
	case errors.Is(err, nats.ErrMaxPayload), errors.Is(err, nats.ErrBadSubject):
		return Ack{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return Ack{}, fmt.Errorf("publish on %s: %w", a.Subject, closed(err))
}

// getRequest is JetStream's request for messages.
type getRequest struct {
	Seq      uint64 `json:"seq,omitempty"`
	NextFor  string `json:"next_by_subj,omitempty"`
	LastFor  string `json:"last_by_subj,omitempty"`
	Batch    int    `json:"batch,omitempty"`
	MaxBytes int    `json:"max_bytes,omitempty"`
}

// Next asks the stream's leader.
func (s *Stream) Next(ctx context.Context, subject string, from uint64) (Message, error) {
	m, err := s.get(ctx, getRequest{Seq: max(from, 1), NextFor: subject})
	if err != nil {
		return Message{}, fmt.Errorf("read %s from sequence %d: %w", subject, from, err)
	}
	return m, nil
}

// Last asks the stream's leader.
func (s *Stream) Last(ctx context.Context, subject string) (Message, error) {
	m, err := s.get(ctx, getRequest{LastFor: subject})
	if err != nil {
		return Message{}, fmt.Errorf("read the last of %s: %w", subject, err)
	}
	return m, nil
}

func (s *Stream) get(ctx context.Context, req getRequest) (Message, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	text, err := json.Marshal(req)
	if err != nil {
		return Message{}, err
	}
	msg, err := s.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+s.name, text)
	if err != nil {
		return Message{}, closed(err)
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Subject  string `json:"subject"`
			Sequence uint64 `json:"seq"`
			Header   []byte `json:"hdrs"`
			Data     []byte `json:"data"`
		} `json:"message"`
	}
	if err := json.Unmarshal(msg.Data, &answer); err != nil {
		return Message{}, fmt.Errorf("answer of the stream: %w", err)
	}
	switch {
	case answer.Error != nil && answer.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return Message{}, ErrNoMessage
	case answer.Error != nil:
		return Message{}, answer.Error
	case answer.Message == nil:
		return Message{}, errors.New("answer of the stream has no message")
	}
	m := answer.Message
	header, err := nats.DecodeHeadersMsg(m.Header)
	if err != nil && len(m.Header) > 0 {
		return Message{}, fmt.Errorf("headers of sequence %d: %w", m.Sequence, err)
	}
	return Message{Subject: m.Subject, Sequence: m.Sequence, ID: header.Get(nats.MsgIdHdr), Data: m.Data}, nil
}

// closed names the error of a connection that was closed for good.
func closed(err error) error {
	if errors.Is(err, nats.ErrConnectionClosed) {
		return fmt.Errorf("%w: %w", ErrStoreClosed, err)
	}
	return err
}

// Subjects are the subjects that have messages.
func (s *Stream) Subjects(ctx context.Context) ([]string, error) {
	info, err := s.handle.Info(ctx, jetstream.WithSubjectFilter(">"))
	if err != nil {
		return nil, fmt.Errorf("list the journals of %s: %w", s.name, err)
	}
	var out []string
	for subject := range info.State.Subjects {
		out = append(out, subject)
	}
	slices.Sort(out)
	return out, nil
}

// State is the stream's extent.
func (s *Stream) State(ctx context.Context) (State, error) {
	info, err := s.handle.Info(ctx)
	if err != nil {
		return State{}, fmt.Errorf("state of %s: %w", s.name, err)
	}
	st := State{First: info.State.FirstSeq, Last: info.State.LastSeq, Messages: info.State.Msgs}
	if st.Messages == 0 {
		st.First = st.Last + 1
	}
	return st, nil
}

// Purge removes the subject's messages before a sequence, but not its last.
func (s *Stream) Purge(ctx context.Context, subject string, before uint64) error {
	last, err := s.Last(ctx, subject)
	if err != nil {
		return fmt.Errorf("purge %s: %w", subject, err)
	}
	before = min(before, last.Sequence)
	err = s.handle.Purge(ctx, jetstream.WithPurgeSubject(subject), jetstream.WithPurgeSequence(before))
	if err != nil {
		return fmt.Errorf("purge %s before sequence %d: %w", subject, before, err)
	}
	return nil
}
