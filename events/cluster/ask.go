package cluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

// ErrNoAnswer says that nobody answers the subject.
var ErrNoAnswer = errors.New("nobody answers")

// Refusal is an answer that says no.
type Refusal struct {
	// Code is the word of the answering side for what is wrong.
	Code string
	// Text explains it to a person.
	Text string
}

// Error gives code and text.
func (e *Refusal) Error() string { return e.Code + ": " + e.Text }

// maxAnswers bounds the requests to one subject that are handled at a time. An
// answer may wait for the disk, and those that wait together share its sync.
const maxAnswers = 4096

// Handler answers one request. An error that is a *Refusal reaches the asker
// as such, any other as a refusal with code "internal".
type Handler func(ctx context.Context, data []byte) ([]byte, error)

// Ask sends a request and waits for the answer until ctx ends. When nobody
// listens the error is ErrNoAnswer; a no is a *Refusal.
func (s *Server) Ask(ctx context.Context, subject string, data []byte) ([]byte, error) {
	msg, err := s.conn.RequestWithContext(ctx, subject, data)
	if errors.Is(err, nats.ErrNoResponders) {
		return nil, fmt.Errorf("ask %s: %w", subject, ErrNoAnswer)
	}
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", subject, err)
	}
	if code := msg.Header.Get(micro.ErrorCodeHeader); code != "" {
		return nil, &Refusal{Code: code, Text: msg.Header.Get(micro.ErrorHeader)}
	}
	return msg.Data, nil
}

// Answer serves a subject as the service name until stop is called; ctx is
// given to the handler. Up to maxAnswers requests are handled at the same time;
// others wait their turn.
func (s *Server) Answer(ctx context.Context, name, subject string, h Handler) (stop func() error, err error) {
	svc, err := micro.AddService(s.conn, micro.Config{Name: name, Version: "1.0.0"})
	if err != nil {
		return nil, fmt.Errorf("answer %s: %w", subject, err)
	}
	places := make(chan struct{}, maxAnswers)
	endpoint := micro.HandlerFunc(func(r micro.Request) {
		places <- struct{}{}
		go func() {
			defer func() { <-places }()
			answer(ctx, r, h)
		}()
	})
	if err := svc.AddEndpoint(name, endpoint, micro.WithEndpointSubject(subject)); err != nil {
		return nil, errors.Join(fmt.Errorf("answer %s: %w", subject, err), svc.Stop())
	}
	return svc.Stop, nil
}

func answer(ctx context.Context, r micro.Request, h Handler) {
	out, err := h(ctx, r.Data())
	if err == nil {
		_ = r.Respond(out) // An asker that left is no error here.
		return
	}
	var no *Refusal
	if !errors.As(err, &no) {
		no = &Refusal{Code: "internal", Text: err.Error()}
	}
	_ = r.Error(no.Code, no.Text, nil)
}
