// Package transaction is SIP's transaction layer (RFC 3261, section 17; RFC 6026):
// it matches messages to transactions, repeats what may have been lost and hears
// what comes twice. Handlers see each request once and each response once.
//
// A transaction that is over for its user keeps what a repetition needs and no more:
// the bytes of its last message for as long as the far end may repeat its own, not
// the messages, nor anything of the call that they belonged to. Each has one timer.
package transaction

import (
	"bytes"
	"errors"
	"hash/maphash"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// The times of RFC 3261, table 4.
const (
	T1 = 500 * time.Millisecond
	T2 = 4 * time.Second
	T4 = 5 * time.Second
	// Life is how long a message may be on its way in all its repetitions: timers B,
	// F, H, J, L and M, and D.
	Life = 64 * T1
)

var (
	// ErrTimeout ends a transaction to whose request no answer came.
	ErrTimeout = errors.New("no answer")
	// ErrOver says that a request has its final answer, or that its transaction has ended.
	ErrOver = errors.New("the transaction is over")
)

// Way is where the messages of a transaction go. It must be usable for as long as
// the transaction lives; what it writes to may have gone by then.
type Way interface {
	// Write sends a message's bytes and does not keep them.
	Write(message []byte) error
	// Reliable tells whether the transport itself repeats what was lost.
	Reliable() bool
}

// Config is whom a layer tells what. Only Request may wait.
type Config struct {
	// Request takes a new request, on a goroutine of its own. Unless it is an INVITE it
	// has been answered when this returns, or never is.
	Request func(req *sip.Request, tx *Server)
	// Ack takes the ACK of a 2xx, on the goroutine that read it.
	Ack func(req *sip.Request)
	// Stray takes a response that no transaction waits for, on a goroutine of its own.
	Stray func(res *sip.Response)
	// Unsent is told of a repetition that could not be sent.
	Unsent func(error)
}

// Layer is the transactions in progress. It is safe for concurrent use.
type Layer struct {
	config Config
	seeds  [2]maphash.Seed

	mu      sync.Mutex
	servers map[key]*Server
	clients map[key]*Client
	closed  bool
}

// New makes a layer.
func New(c Config) *Layer {
	return &Layer{
		config: c, seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		servers: map[key]*Server{}, clients: map[key]*Client{},
	}
}

// Len counts the transactions that are remembered.
func (l *Layer) Len() (servers, clients int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.servers), len(l.clients)
}

// Close ends all transactions; nothing is heard any more.
func (l *Layer) Close() {
	l.mu.Lock()
	l.closed = true
	servers, clients := l.servers, l.clients
	l.servers, l.clients = map[key]*Server{}, map[key]*Client{}
	l.mu.Unlock()
	for _, t := range servers {
		t.Terminate()
	}
	for _, t := range clients {
		t.Terminate()
	}
}

// Receive takes a message from the transport, with the way back to whom it came from.
func (l *Layer) Receive(msg sip.Message, back Way) {
	switch msg := msg.(type) {
	case *sip.Request:
		l.request(msg, back)
	case *sip.Response:
		l.response(msg)
	}
}

// key names a transaction: 128 bits of keyed hash over what RFC 3261 matches by, so
// that no part of a message is kept for its name, and nobody can make two alike.
type key [2]uint64

func (l *Layer) hash(parts ...string) key {
	var k key
	for i, seed := range l.seeds {
		var h maphash.Hash
		h.SetSeed(seed)
		for _, p := range parts {
			_, _ = h.WriteString(p) // never fails
			_ = h.WriteByte(0)
		}
		k[i] = h.Sum64()
	}
	return k
}

const cookie = "z9hG4bK"

// serverKey names the transaction of a request (RFC 3261, section 17.2.3). It is
// false for a request without what it takes.
func (l *Layer) serverKey(req *sip.Request, method sip.RequestMethod) (key, bool) {
	via, cseq := req.Via(), req.CSeq()
	if via == nil || cseq == nil {
		return key{}, false
	}
	if method == sip.ACK {
		method = sip.INVITE
	}
	if branch, _ := via.Params.Get("branch"); strings.HasPrefix(branch, cookie) && len(branch) > len(cookie) {
		port := [2]byte{byte(via.Port >> 8), byte(via.Port)}
		return l.hash(branch, via.Host, string(port[:]), string(method)), true
	}
	// A far end of RFC 2543 has no branch that tells its transactions apart.
	from, id := req.From(), req.CallID()
	if from == nil || id == nil {
		return key{}, false
	}
	tag, _ := from.Params.Get("tag")
	number := [4]byte{byte(cseq.SeqNo >> 24), byte(cseq.SeqNo >> 16), byte(cseq.SeqNo >> 8), byte(cseq.SeqNo)}
	return l.hash(tag, id.Value(), string(number[:]), string(method), via.Value()), true
}

// clientKey names the transaction that a message of ours, or its answer, belongs to
// (RFC 3261, section 17.1.3).
func (l *Layer) clientKey(msg sip.Message) (key, bool) {
	via, cseq := msg.Via(), msg.CSeq()
	if via == nil || cseq == nil {
		return key{}, false
	}
	branch, ok := via.Params.Get("branch")
	return l.hash(branch, string(cseq.MethodName)), ok
}

// room holds the buffers that messages are written into.
var room = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// Encode gives a message's bytes in a slice that has the room it needs.
func Encode(msg sip.Message) []byte {
	b := room.Get().(*bytes.Buffer)
	defer room.Put(b)
	b.Reset()
	msg.StringWrite(b)
	return bytes.Clone(b.Bytes())
}

// unsent tells of a repetition that could not be sent: the far end repeats, too.
func (l *Layer) unsent(err error) {
	if err != nil && l.config.Unsent != nil {
		l.config.Unsent(err)
	}
}
