package server

import (
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/tollbook/tollbook/graphql/auth"
)

// sse answers a subscription with server-sent events, as the graphql-sse protocol's
// distinct connections mode says.
type sse struct{ *listening }

// wanted says whether a request wants a stream. Who takes JSON as well, as browsers' clients
// say with every question (urql does, and so the console), gets JSON.
func wanted(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	accept := r.Header.Get("Accept")
	return err == nil && kind == "application/json" && r.Method == http.MethodPost &&
		strings.Contains(accept, "text/event-stream") && !strings.Contains(accept, "json")
}

// Supports says whether a request is one of these.
func (sse) Supports(r *http.Request) bool { return wanted(r) }

// Do answers with a stream.
func (s sse) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	v := auth.FromContext(r.Context())
	if v == nil {
		refuseRequest(w, http.StatusUnauthorized, "UNAUTHENTICATED", "sign in first")
		return
	}
	if why := s.cfg.Streams.operations.enter(v.Actor); why != "" {
		refuseRequest(w, http.StatusTooManyRequests, "RATE_LIMITED", why)
		return
	}
	defer s.cfg.Streams.operations.leave(v.Actor)
	params, err := readParams(r.Body, r.Header)
	if err != nil {
		refuseRequest(w, http.StatusBadRequest, "INVALID", "the request is not JSON")
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	ctx, op, errs := s.begin(ctx, exec, params)
	out := &stream{w: w, control: http.NewResponseController(w), slowest: s.cfg.Streams.slowest()}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	if errs != nil {
		out.end(exec.DispatchError(ctx, errs))
		return
	}
	var kept sync.WaitGroup
	kept.Go(func() { s.keep(ctx, cancel, r, v, out) })
	errs = s.pass(ctx, exec, op, out.next)
	cancel()
	kept.Wait()
	if errs == nil {
		errs = brokenOff(s.again(r, v))
	}
	out.end(&graphql.Response{Errors: errs, Data: []byte("null")})
}

// keep sends signs of life, and ends the stream when its listener may not listen any
// more or does not take them.
func (s sse) keep(ctx context.Context, cancel func(), r *http.Request, v *auth.Viewer, out *stream) {
	defer cancel()
	look := time.NewTicker(lookAgain)
	defer look.Stop()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	if !out.write(":\n\n") {
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.cfg.Stopping:
			return
		case <-look.C:
			if !s.again(r, v) {
				return
			}
		case <-beat.C:
			if !out.write(":\n\n") {
				return
			}
		}
	}
}

// stream writes events; two goroutines do.
type stream struct {
	mu      sync.Mutex
	w       http.ResponseWriter
	control *http.ResponseController
	slowest time.Duration
	broken  bool
}

// write sends a piece of the stream; false if it does not get through in time.
func (s *stream) write(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken {
		return false
	}
	// A server without deadlines, as in a test, needs no others.
	_ = s.control.SetWriteDeadline(time.Now().Add(s.slowest))
	_, err := io.WriteString(s.w, text)
	if err == nil {
		err = s.control.Flush()
	}
	s.broken = err != nil
	return !s.broken
}

func (s *stream) next(response *graphql.Response) bool {
	data, err := json.Marshal(response)
	return err == nil && s.write("event: next\ndata: "+string(data)+"\n\n")
}

// end sends the last answer. A listener who is gone needs none.
func (s *stream) end(response *graphql.Response) {
	if s.next(response) {
		s.write("event: complete\ndata:\n\n")
	}
	_ = s.control.SetWriteDeadline(time.Time{}) // the connection goes on
}
