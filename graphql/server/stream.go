package server

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
)

const (
	// maxStreams is how many may listen to a node, maxStreamsEach of them for one viewer;
	// so many websockets there may be as well.
	maxStreams     = 500
	maxStreamsEach = 20
	// heartbeat is how often a listener hears something.
	heartbeat = 10 * time.Second
	// patience is how long a listener may take to read what is sent.
	patience = 10 * time.Second
	// lookAgain is how often it is looked whether a listener may still listen.
	lookAgain = time.Second
)

// Streams are the subscriptions that a node answers, by server-sent events (sse.go) and
// over websockets (socket.go). Nothing is held for a listener: what he does not read is not
// read from the book either, and who reads nothing for long is cut off.
type Streams struct {
	operations crowd // by viewer
	sockets    crowd // by viewer
	strangers  crowd // websockets of nobody known, by where they come from
	open       sync.WaitGroup
	patience   time.Duration // the usual one if 0
}

func (s *Streams) slowest() time.Duration { return cmp.Or(s.patience, patience) }

// Count is how many subscriptions are answered now, and how many websockets there are.
func (s *Streams) Count() (operations, sockets int) {
	return s.operations.count(), s.sockets.count() + s.strangers.count()
}

// seat counts a websocket until leave is called; it says why there may be no more. Those
// of nobody known are apart: however many there are, viewers find room.
func (s *Streams) seat(r *http.Request, v *auth.Viewer) (leave func(), why string) {
	at, who := &s.strangers, ""
	if v != nil {
		at, who = &s.sockets, v.Actor
	} else if e := auth.ExchangeFrom(r.Context()); e != nil {
		who = auth.SourceOf(e.Address)
	}
	why = at.enter(who)
	return func() { at.leave(who) }, why
}

// Wait returns when the last websocket has ended, or ctx: a server that shuts down does
// not know of them any more.
func (s *Streams) Wait(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		s.open.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// crowd counts, for everybody and for each.
type crowd struct {
	mu  sync.Mutex
	of  map[string]int
	all int
}

// enter counts one more; it says why there may be no more.
func (c *crowd) enter(who string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.of[who] >= maxStreamsEach:
		return "too many streams: close some of yours"
	case c.all >= maxStreams:
		return "too many listen to this node: ask another one"
	case c.of == nil:
		c.of = map[string]int{}
	}
	c.of[who]++
	c.all++
	return ""
}

func (c *crowd) leave(who string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if c.of[who]--; c.of[who] == 0 {
		delete(c.of, who)
	}
}

func (c *crowd) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all
}

// listening is what both ways of listening need.
type listening struct {
	cfg   Config
	rates *rates
}

// readParams reads what is asked for; headers are those of the request that came with it.
func readParams(from io.Reader, headers http.Header) (*graphql.RawParams, error) {
	params := &graphql.RawParams{Headers: headers}
	params.ReadTime.Start = graphql.Now()
	decoder := json.NewDecoder(from)
	decoder.UseNumber()
	err := decoder.Decode(params)
	params.ReadTime.End = graphql.Now()
	return params, err
}

// begin makes an operation of a request. It is a subscription if there are no errors.
func (l *listening) begin(ctx context.Context, exec graphql.GraphExecutor, params *graphql.RawParams) (context.Context, *graphql.OperationContext, gqlerror.List) {
	op, errs := exec.CreateOperationContext(ctx, params)
	if errs == nil && op.Operation.Operation != ast.Subscription {
		errs = gqlerror.List{refuse("only subscriptions are streams, of at most %d at once for a viewer", maxStreamsEach)}
	}
	return graphql.WithOperationContext(ctx, op), op, errs
}

// pass sends answers while there are any and the listener takes them. Each costs what the
// operation costs: who has no points left hears the next one later. It gives the errors of
// an operation that did not begin.
func (l *listening) pass(ctx context.Context, exec graphql.GraphExecutor, op *graphql.OperationContext, next func(*graphql.Response) bool) gqlerror.List {
	responses, ctx := exec.DispatchOperation(ctx, op)
	for response := responses(ctx); response != nil; response = responses(ctx) {
		if response.Data == nil && len(response.Errors) > 0 {
			return response.Errors // an answer that could not be made has the data null
		}
		if !next(response) || !l.pay(ctx) {
			break
		}
	}
	return nil
}

// pay waits until there are points for one more answer; false if ctx has ended.
func (l *listening) pay(ctx context.Context) bool {
	points := 1
	if stats := extension.GetComplexityStats(ctx); stats != nil {
		points = max(stats.Complexity, 1)
	}
	for {
		s := l.rates.spend(ctx, points)
		if s.wait == 0 {
			return ctx.Err() == nil
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(s.wait):
		}
	}
}

// again says whether a request would still be let in as the same viewer.
func (l *listening) again(r *http.Request, was *auth.Viewer) bool {
	now := l.cfg.Door.Again(r)
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

// brokenOff is the last that a listener hears, if he can still hear.
func brokenOff(welcome bool) gqlerror.List {
	code, message := "UNAVAILABLE", "the stream broke off: go on after the last cursor that you have"
	if !welcome {
		code, message = "UNAUTHENTICATED", "the session or token has ended, or is another's now"
	}
	return gqlerror.List{{Message: message, Extensions: map[string]any{"code": code}}}
}
