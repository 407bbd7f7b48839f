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
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
)

const (
	// maxStreams is how many may listen to a node, maxStreamsEach of them for one viewer.
	maxStreams     = 500
	maxStreamsEach = 20
	// heartbeat is how often a listener hears something.
	heartbeat = 10 * time.Second
	// slowest is how long a listener may take to read what is sent.
	slowest = 10 * time.Second
	// lookAgain is how often it is looked whether a listener may still listen.
	lookAgain = time.Second
)

// streams answers subscriptions with server-sent events, as the graphql-sse protocol's
// distinct connections mode says. Nothing is held for a listener: what he does not read
// is not read from the book either, and who reads nothing for long is cut off.
type streams struct {
	cfg Config
	mu  sync.Mutex
	of  map[string]int
	all int
}

func newStreams(cfg Config) *streams { return &streams{cfg: cfg, of: map[string]int{}} }

// wanted says whether a request wants a stream. Who takes JSON as well, as browsers' clients
// say with every question (urql does, and so the console), gets JSON.
func wanted(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	accept := r.Header.Get("Accept")
	return err == nil && kind == "application/json" && r.Method == http.MethodPost &&
		strings.Contains(accept, "text/event-stream") && !strings.Contains(accept, "json")
}

// Supports says whether a request is one of these.
func (*streams) Supports(r *http.Request) bool { return wanted(r) }

// Do answers with a stream.
func (s *streams) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	v := auth.FromContext(r.Context())
	if v == nil {
		refuseRequest(w, http.StatusUnauthorized, "UNAUTHENTICATED", "sign in first")
		return
	}
	if why := s.enter(v.Actor); why != "" {
		refuseRequest(w, http.StatusTooManyRequests, "RATE_LIMITED", why)
		return
	}
	defer s.leave(v.Actor)
	params := &graphql.RawParams{Headers: r.Header}
	params.ReadTime.Start = graphql.Now()
	decoder := json.NewDecoder(r.Body)
	decoder.UseNumber()
	if err := decoder.Decode(params); err != nil {
		refuseRequest(w, http.StatusBadRequest, "INVALID", "the request is not JSON")
		return
	}
	params.ReadTime.End = graphql.Now()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	op, errs := exec.CreateOperationContext(ctx, params)
	ctx = graphql.WithOperationContext(ctx, op)
	if errs == nil && op.Operation.Operation != ast.Subscription {
		errs = gqlerror.List{refuse("only subscriptions are streams, of at most %d at once for a viewer", maxStreamsEach)}
	}
	out := &stream{w: w, control: http.NewResponseController(w)}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	if errs != nil {
		out.end(exec.DispatchError(ctx, errs))
		return
	}
	var kept sync.WaitGroup
	kept.Go(func() { s.keep(ctx, cancel, r, v, out) })
	s.pass(ctx, exec, op, out)
	cancel()
	kept.Wait()
	out.end(brokenOff(s.again(r, v)))
}

// pass sends answers while there are any and the listener takes them.
func (s *streams) pass(ctx context.Context, exec graphql.GraphExecutor, op *graphql.OperationContext, out *stream) {
	responses, ctx := exec.DispatchOperation(ctx, op)
	for {
		response := responses(ctx)
		if response == nil || ctx.Err() != nil || !out.next(response) {
			return
		}
	}
}

// keep sends signs of life, and ends the stream when its listener may not listen any
// more or does not take them.
func (s *streams) keep(ctx context.Context, cancel func(), r *http.Request, v *auth.Viewer, out *stream) {
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

// again says whether a request would still be let in as the same viewer.
func (s *streams) again(r *http.Request, was *auth.Viewer) bool {
	now := s.cfg.Door.Again(r)
	return now != nil && now.Actor == was.Actor && now.Role == was.Role && now.Company == was.Company &&
		now.Enrols == was.Enrols && sameScopes(now.Scopes, was.Scopes)
}

func sameScopes(a, b []wire.TokenScope) bool {
	for _, s := range b {
		if !(&auth.Viewer{Scopes: a}).May(s) {
			return false
		}
	}
	return (len(a) == 0) == (len(b) == 0)
}

// enter counts a listener; it says why there may be no more.
func (s *streams) enter(actor string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.of[actor] >= maxStreamsEach:
		return "too many streams: close some of yours"
	case s.all >= maxStreams:
		return "too many listen to this node: ask another one"
	}
	s.of[actor]++
	s.all++
	return ""
}

func (s *streams) leave(actor string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.of[actor]--; s.of[actor] == 0 {
		delete(s.of, actor)
	}
}

// brokenOff is the last that a listener hears, if he can still hear.
func brokenOff(welcome bool) *graphql.Response {
	code, message := "UNAVAILABLE", "the stream broke off: go on after the last cursor that you have"
	if !welcome {
		code, message = "UNAUTHENTICATED", "the session or token has ended, or is another's now"
	}
	return &graphql.Response{Errors: gqlerror.List{{Message: message, Extensions: map[string]any{"code": code}}}, Data: []byte("null")}
}

// stream writes events; two goroutines do.
type stream struct {
	mu      sync.Mutex
	w       http.ResponseWriter
	control *http.ResponseController
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
	_ = s.control.SetWriteDeadline(time.Now().Add(slowest))
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
