// Package dispatch says which node of a cluster is to have a message that came by a
// listener that all of them share: new calls are spread by load, what belongs to a call
// goes to the node that has it.
package dispatch

import (
	"cmp"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/sip/gate"
	"github.com/tollbook/tollbook/sip/transaction"
)

// mostRemembered bounds the dialogs of which it is remembered where they went. Beyond it
// the older half is forgotten.
const mostRemembered = 100_000

// Load is how much a node has to do.
type Load struct {
	Node string
	// Calls are in progress, of Most that may be.
	Calls, Most int
}

// Config is what a Dispatcher works with.
type Config struct {
	// Node is this one.
	Node string
	// Takes are the nodes that take new calls now. It is asked for each new call.
	Takes func() []Load
	// Stays tells of new calls that only this node can take.
	Stays func(*sip.Request) bool
	// Serves tells which node has a call in progress.
	Serves func(events.CallID) (node string, ok bool)
	// Now gives the time.
	Now func() time.Time
}

// Dispatcher places messages. It is safe for concurrent use.
type Dispatcher struct {
	config Config

	mu sync.Mutex
	// went is where dialogs went of late, by Call-ID, until the call is known to be
	// there; what was not asked for since before is forgotten with it.
	went, before map[string]string
	turned       time.Time
}

// New makes a Dispatcher.
func New(c Config) *Dispatcher {
	return &Dispatcher{config: c, went: map[string]string{}, before: map[string]string{}, turned: c.Now()}
}

// Place tells which node is to have a message. What nobody is known to have, and what
// starts no call, stays here.
func (d *Dispatcher) Place(msg sip.Message) (node string) {
	res, ok := msg.(*sip.Response)
	if ok {
		if node := gate.BranchNode(res); node != "" {
			return node
		}
		return d.config.Node
	}
	req, ok := msg.(*sip.Request)
	if !ok || req.CallID() == nil || req.To() == nil {
		return d.config.Node
	}
	callID := req.CallID().Value()
	tag, _ := req.To().Params.Get("tag")
	if id, ok := callOf(callID, tag); ok {
		if node, ok := d.config.Serves(id); ok {
			return node
		}
	}
	if node, ok := d.recall(callID); ok {
		return node
	}
	if tag != "" || !req.IsInvite() {
		return d.config.Node
	}
	if node = d.config.Node; !d.config.Stays(req) {
		node = d.choose(req.Transport())
	}
	d.remember(callID, node)
	return node
}

// Whose tells which node is to have a message that came by a listener of this node's own:
// another one where that has said what is answered, or serves the call; who begins
// something begins it here.
func (d *Dispatcher) Whose(msg sip.Message) (node string) {
	if res, ok := msg.(*sip.Response); ok {
		return cmp.Or(gate.BranchNode(res), d.config.Node)
	}
	req, ok := msg.(*sip.Request)
	if !ok || req.CallID() == nil || req.To() == nil {
		return d.config.Node
	}
	if tag, _ := req.To().Params.Get("tag"); tag != "" {
		if id, ok := callOf(req.CallID().Value(), tag); ok {
			if node, ok := d.config.Serves(id); ok {
				return node
			}
		}
	}
	return d.config.Node
}

// callOf reads the call that a request belongs to: our tag names it in the caller's
// dialog, the Call-ID in those that we began.
func callOf(callID, tag string) (events.CallID, bool) {
	if id, err := events.ParseCallID(tag); err == nil {
		return id, true
	}
	id, err := events.ParseCallID(callID[:max(0, strings.LastIndexByte(callID, '-'))])
	return id, err == nil
}

// choose draws a node, each with the weight of its free capacity: what is known of them
// is a second old, and who has most must not get all. Where certificates count the call
// stays with the connection.
func (d *Dispatcher) choose(transport string) string {
	switch sip.NetworkToLower(transport) {
	case "udp", "tcp":
	default:
		return d.config.Node
	}
	nodes, all := d.config.Takes(), 0
	for _, n := range nodes {
		all += max(0, n.Most-n.Calls)
	}
	if all == 0 {
		return d.config.Node
	}
	at := rand.IntN(all)
	for _, n := range nodes {
		if at -= max(0, n.Most-n.Calls); at < 0 {
			return n.Node
		}
	}
	return d.config.Node
}

func (d *Dispatcher) recall(callID string) (string, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.turn()
	node, ok := d.went[callID]
	if !ok {
		if node, ok = d.before[callID]; ok {
			d.went[callID] = node
		}
	}
	return node, ok
}

func (d *Dispatcher) remember(callID, node string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.turn()
	d.went[callID] = node
}

// turn forgets, each time that a transaction lasts, what was not asked for since the
// time before; the lock is held.
func (d *Dispatcher) turn() {
	if now := d.config.Now(); now.Sub(d.turned) > transaction.Life || len(d.went) >= mostRemembered/2 {
		d.went, d.before, d.turned = map[string]string{}, d.went, now
	}
}
