package live

import (
	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// node is what a node has said of itself.
type node struct {
	lastUS int64
	calls  uint32
	// silent are the calls that its last sign of life listed.
	silent map[events.CallID]struct{}
}

// Sign is a node's last sign of life.
type Sign struct {
	Node string
	// LastUS is when it was recorded, Calls how many calls it had then, Silent
	// how many of them had fallen silent.
	LastUS int64
	Calls  uint32
	Silent int
}

// Proof says what is known of a call's life.
type Proof struct {
	// AliveUS is the last time at which the call is proven to have lived: its
	// node's last sign of life that did not list it as silent, or its own last event.
	AliveUS int64
	// Answered says that leg 0 was answered, at AnsweredUS.
	Answered   bool
	AnsweredUS int64
	Node       string
	// Silent says that the node's last sign of life listed the call.
	Silent bool
}

// ProofOfLife returns the last proof of life of a call in progress, and false if
// it is none.
//
// A sign of life does not say which run of the program gave it: a node that
// comes back must ask for its OpenCalls before it gives its first sign.
func (v *View) ProofOfLife(id events.CallID) (Proof, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	c := v.calls[id]
	if c == nil || !c.Received {
		return Proof{}, false
	}
	_, _, _, answeredUS := c.state()
	p := Proof{AliveUS: v.alive(c), Answered: answeredUS != 0, AnsweredUS: answeredUS, Node: v.owner(c)}
	if n := v.nodes[p.Node]; n != nil {
		_, p.Silent = n.silent[id]
	}
	return p, true
}

// Standing returns the newest state that a call in progress can be gone on with from,
// wrapped, nil if there is none.
func (v *View) Standing(id events.CallID) []byte {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if c := v.calls[id]; c != nil {
		return c.Standing
	}
	return nil
}

// SignOfLife returns a node's last sign of life, and false if it gave none.
func (v *View) SignOfLife(name string) (Sign, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	n := v.nodes[name]
	if n == nil {
		return Sign{}, false
	}
	return Sign{Node: name, LastUS: n.lastUS, Calls: n.calls, Silent: len(n.silent)}, true
}

// Nodes returns the names of the nodes that gave signs of life.
func (v *View) Nodes() []string {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return sortedKeys(v.nodes)
}

// owner is the node that serves a call.
func (v *View) owner(c *call) string {
	if h := v.holds[c.ID]; h != nil && h.ClaimedBy != "" {
		return h.ClaimedBy
	}
	return c.Node
}

// ownedUS is since when the owner's signs speak for a call.
func (v *View) ownedUS(c *call) int64 {
	if h := v.holds[c.ID]; h != nil && h.ClaimedBy != "" {
		return h.ClaimedUS
	}
	return c.OwnedUS
}

// alive is a call's last proof of life.
func (v *View) alive(c *call) int64 {
	proven := max(c.SeenUS, c.ProvenUS)
	n := v.nodes[v.owner(c)]
	if n == nil || n.lastUS < v.ownedUS(c) {
		return proven
	}
	if _, silent := n.silent[c.ID]; silent {
		return proven
	}
	return max(proven, n.lastUS)
}

// sign takes a node's sign of life. What it lists now and did not list before
// keeps the proof that it had; what it lists no more has a new one.
func (v *View) sign(e *wire.SignOfLife, recordedUS int64) {
	n := v.nodes[e.GetNode()]
	if n == nil {
		if len(v.nodes) >= maxNodes {
			v.dropped++
			return
		}
		n = new(node)
		v.nodes[e.GetNode()] = n
	}
	silent := make(map[events.CallID]struct{}, len(e.GetSilentCalls()))
	for _, b := range e.GetSilentCalls() {
		id, ok := callID(b)
		c := v.calls[id]
		if !ok || c == nil {
			continue
		}
		c.ProvenUS = v.alive(c)
		silent[id] = struct{}{}
	}
	n.lastUS, n.calls, n.silent = max(n.lastUS, recordedUS), e.GetCalls(), silent
}
