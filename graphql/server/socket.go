package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/coder/websocket"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/tollbook/tollbook/graphql/auth"
)

const (
	// socketProtocol is what is spoken over websockets.
	socketProtocol = "graphql-transport-ws"
	// maxMessage bounds what a listener sends at once, in bytes: an operation's text, as
	// long as it may be, in JSON.
	maxMessage = 2 * maxQuery
	// maxOperationID bounds a listener's name for an operation, in bytes.
	maxOperationID = 128
	// silence is for how long a listener may say nothing, in times of his patience: he
	// answers every ping.
	silence = 3
	// farewell is how long a listener has to take note of the end.
	farewell = 2 * time.Second
)

// How a connection ends, as the protocol has it.
const (
	badMessage      = websocket.StatusCode(4400)
	unauthorized    = websocket.StatusCode(4401)
	wrongProtocol   = websocket.StatusCode(4406)
	noWord          = websocket.StatusCode(4408)
	takenID         = websocket.StatusCode(4409)
	tooManyWelcomes = websocket.StatusCode(4429)
)

// sockets answers subscriptions over websockets, in the protocol of npm's graphql-ws.
type sockets struct{ *listening }

// message is one of the protocol's.
type message struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// farewellTo is why a connection ends.
type farewellTo struct {
	code   websocket.StatusCode
	reason string // at most 123 bytes
	errs   gqlerror.List
}

func (f *farewellTo) Error() string { return f.reason }

func bye(code websocket.StatusCode, reason string) *farewellTo {
	return &farewellTo{code: code, reason: reason, errs: brokenOff(code != unauthorized)}
}

// asker is who listens, and by which credentials it is looked again whether he may.
type asker struct {
	as     *http.Request
	viewer *auth.Viewer
}

// socket is one connection. What comes is read by one goroutine; each operation has one,
// and one keeps the connection.
type socket struct {
	*listening
	conn  *websocket.Conn
	exec  graphql.GraphExecutor
	asker atomic.Pointer[asker] // nil before the listener said who he is
	heard atomic.Int64          // when he said something, in Unix nanoseconds
	life  context.Context       // whose end cuts the connection off: what is read and written ends with it

	writing sync.Mutex
	mu      sync.Mutex
	running map[string]*operation // by the listener's names
	ending  bool
	all     sync.WaitGroup
}

// Supports says whether a request is one of these; what does not upgrade is told to.
func (sockets) Supports(r *http.Request) bool { return r.Method == http.MethodGet }

// Do answers until the connection ends.
func (s sockets) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	streams := s.cfg.Streams
	streams.open.Add(1)
	defer streams.open.Done()
	known := s.cfg.Door.Again(own(r))
	leave, text := streams.seat(r, known)
	if text != "" {
		refuseRequest(w, http.StatusTooManyRequests, "RATE_LIMITED", text)
		return
	}
	defer func() { leave() }()
	// Where the page comes from is looked at with the credentials.
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{socketProtocol}, InsecureSkipVerify: true})
	if err != nil {
		return // it has been answered
	}
	conn.SetReadLimit(maxMessage)
	ctx, end := context.WithCancelCause(r.Context())
	life, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	k := &socket{listening: s.listening, conn: conn, exec: exec, life: life, running: map[string]*operation{}}
	var kept sync.WaitGroup
	kept.Go(func() { k.keep(ctx, end, cut) })
	why := k.greet(ctx, r)
	if why == nil {
		v := k.asker.Load().viewer
		if known == nil || known.Actor != v.Actor {
			var seated func()
			if seated, text = streams.seat(r, v); text == "" {
				leave()
				leave = seated
			}
		}
		if text != "" {
			why = bye(websocket.StatusTryAgainLater, text)
		} else {
			why = k.hear(ctx)
		}
	}
	end(why)
	kept.Wait()
}

// own is a request without a session that another site's page sent along: it could
// otherwise listen with what its reader's browser knows.
func own(r *http.Request) *http.Request {
	from, err := url.Parse(r.Header.Get("Origin"))
	if err == nil && from.Host != "" && strings.EqualFold(from.Host, r.Host) {
		return r
	}
	r = r.Clone(r.Context())
	r.Header.Del("Cookie")
	return r
}

// keep sends signs of life, and ends the connection when ctx does, with what caused it:
// the listener is not who he was, the server stops, or what the reader found.
func (k *socket) keep(ctx context.Context, end context.CancelCauseFunc, cut func()) {
	begun := time.Now()
	look := time.NewTicker(lookAgain)
	defer look.Stop()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-k.cfg.Stopping:
			end(bye(websocket.StatusGoingAway, "the node stops: go on at another one"))
		case <-look.C:
			switch a := k.asker.Load(); {
			case a == nil && time.Since(begun) > k.cfg.Streams.slowest():
				end(bye(noWord, "no connection_init came"))
			case a != nil && time.Since(time.Unix(0, k.heard.Load())) > silence*k.cfg.Streams.slowest():
				end(bye(noWord, "no pong came"))
			case a != nil && !k.again(a.as, a.viewer):
				end(bye(unauthorized, "the session or token has ended, or is another's now"))
			}
		case <-beat.C:
			if k.asker.Load() != nil && !k.send(message{Type: "ping"}) {
				end(bye(websocket.StatusPolicyViolation, "nothing is read"))
			}
		}
	}
	late := time.AfterFunc(farewell, cut)
	defer late.Stop()
	k.mu.Lock()
	k.ending = true // none begins any more
	k.mu.Unlock()
	k.all.Wait() // they say why to their listener
	var why *farewellTo
	if !errors.As(context.Cause(ctx), &why) {
		why = bye(websocket.StatusGoingAway, "the server ends")
	}
	_ = k.conn.Close(why.code, why.reason) // who is gone does not hear it
}

// read is the next message; the connection ends with what is wrong with it.
func (k *socket) read() (m message, why *farewellTo) {
	kind, data, err := k.conn.Read(k.life)
	if err != nil {
		return m, bye(websocket.StatusNormalClosure, "")
	}
	k.heard.Store(time.Now().UnixNano())
	if kind != websocket.MessageText {
		return m, bye(badMessage, "messages are texts")
	}
	if text := shape(data); text != "" {
		return m, bye(badMessage, text)
	}
	if err := json.Unmarshal(data, &m); err != nil || m.Type == "" {
		return m, bye(badMessage, "the message is not one of "+socketProtocol)
	}
	return m, nil
}

// greet waits for the listener to say who he is: by the credentials of his request, or a
// token in his first message.
func (k *socket) greet(ctx context.Context, r *http.Request) *farewellTo {
	if k.conn.Subprotocol() != socketProtocol {
		return bye(wrongProtocol, "only "+socketProtocol+" is spoken here")
	}
	m, why := k.read()
	for ; why == nil && m.Type != "connection_init"; m, why = k.read() {
		if m.Type == "subscribe" {
			return bye(unauthorized, "connection_init comes first")
		}
		if why = k.alive(m); why != nil {
			return why
		}
	}
	if why != nil {
		return why
	}
	as := own(r).Clone(ctx)
	var said map[string]any
	if len(m.Payload) > 0 && json.Unmarshal(m.Payload, &said) != nil {
		return bye(badMessage, "the payload of connection_init is no object")
	}
	for name, value := range said {
		if text, ok := value.(string); ok && strings.EqualFold(name, "Authorization") {
			as.Header.Set("Authorization", text)
		}
	}
	v := k.cfg.Door.Again(as)
	if v == nil {
		return bye(unauthorized, "sign in on this site, or send a good token as Authorization in connection_init")
	}
	k.asker.Store(&asker{as, v})
	if !k.send(message{Type: "connection_ack"}) {
		return bye(websocket.StatusPolicyViolation, "nothing is read")
	}
	return nil
}

// hear does what the listener wants until the connection ends.
func (k *socket) hear(ctx context.Context) *farewellTo {
	for {
		m, why := k.read()
		if why != nil {
			return why
		}
		switch m.Type {
		case "subscribe":
			why = k.subscribe(ctx, m)
		case "complete":
			k.mu.Lock()
			if o := k.running[m.ID]; o != nil {
				o.cancel()
				delete(k.running, m.ID) // the name may be used again at once
			}
			k.mu.Unlock()
		default:
			why = k.alive(m)
		}
		if why != nil {
			return why
		}
	}
}

// alive answers a sign of life; everything else does not belong here.
func (k *socket) alive(m message) *farewellTo {
	switch m.Type {
	case "ping":
		if !k.send(message{Type: "pong", Payload: m.Payload}) {
			return bye(websocket.StatusPolicyViolation, "nothing is read")
		}
		return nil
	case "pong":
		return nil
	case "connection_init":
		return bye(tooManyWelcomes, "connection_init comes once")
	default:
		return bye(badMessage, "there is no such message in "+socketProtocol)
	}
}

// send writes a message; false if it does not get through in time, or the connection has
// ended.
func (k *socket) send(m message) bool {
	data, err := json.Marshal(m)
	if err != nil {
		return false
	}
	k.writing.Lock() // so that each message has the whole time
	defer k.writing.Unlock()
	ctx, cancel := context.WithTimeout(k.life, k.cfg.Streams.slowest())
	defer cancel()
	return k.conn.Write(ctx, websocket.MessageText, data) == nil // or it closes the connection
}
