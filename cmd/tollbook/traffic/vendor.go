package traffic

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// VendorConfig describes a vendor.
type VendorConfig struct {
	// Addr is where it listens for SIP over UDP, and whose address its media
	// has; port 0 takes any free one.
	Addr netip.AddrPort
	// Rules are tried in order; Mix decides about the rest.
	Rules []Rule
	Mix   []Share
	// Seed makes the draws from Mix reproducible in the order of the calls.
	Seed uint64
	// Silent sends no RTP, which saves the machine of a large test; what comes
	// is still counted.
	Silent bool
	// Log is told of errors; nil means silence.
	Log *slog.Logger
}

// Vendor takes calls (a UAS). Use NewVendor, then Run.
type Vendor struct {
	config VendorConfig
	agent  *agent
	ctx    context.Context // of Run, for the handlers
	tally  tally

	mu     sync.Mutex
	random *rand.Rand
}

// NewVendor binds the vendor's address.
func NewVendor(config VendorConfig) (*Vendor, error) {
	a, err := newAgent(config.Addr, config.Log)
	if err != nil {
		return nil, err
	}
	v := &Vendor{config: config, agent: a, random: rand.New(rand.NewPCG(config.Seed, 0))}
	a.on(sip.INVITE, v.invite)
	return v, nil
}

// Addr is where the vendor listens.
func (v *Vendor) Addr() netip.AddrPort { return v.agent.addr }

// Counts are the calls so far.
func (v *Vendor) Counts() Counts { return v.tally.read() }

// Run takes calls until the context ends, then ends those that are up and
// returns. It is called once.
func (v *Vendor) Run(ctx context.Context) error {
	v.ctx = ctx
	err := v.agent.serve(ctx)
	if err == nil {
		<-ctx.Done()
	}
	v.agent.close()
	if err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// invite handles an INVITE and stays for the length of the call: sipgo gives
// every request a goroutine, and drops a transaction without a final response
// when the handler returns.
func (v *Vendor) invite(req *sip.Request, tx sip.ServerTransaction) {
	if req.To().Params.Has("tag") {
		v.agent.renew(req, tx)
		return
	}
	if !v.agent.enter() {
		v.agent.respond(tx, req, 503, "Service Unavailable")
		return
	}
	defer v.agent.leave()
	s, err := newStream(v.agent.addr.Addr(), v.config.Silent)
	if err != nil {
		v.agent.log.Error("traffic vendor", "err", err)
		v.agent.respond(tx, req, 500, "Server Internal Error")
		return
	}
	v.tally.add(func(c *Counts) { c.Attempts++; c.Active++ })
	defer v.tally.finish(s)
	v.mu.Lock()
	behaviour := choose(req.Recipient.User, v.config.Rules, v.config.Mix, v.random)
	v.mu.Unlock()
	call := &incoming{vendor: v, req: req, tx: tx, behaviour: behaviour, cancelled: make(chan struct{})}
	if !tx.OnCancel(func(*sip.Request) { close(call.cancelled) }) {
		v.tally.add(func(c *Counts) { c.Cancelled++ })
		return
	}
	call.run(v.ctx, s)
}

// incoming is one call of a vendor.
type incoming struct {
	vendor    *Vendor
	req       *sip.Request
	tx        sip.ServerTransaction
	behaviour Behaviour
	dialog    *dialog
	cancelled chan struct{}
}

func (c *incoming) run(ctx context.Context, s *stream) {
	b, agent := c.behaviour, c.vendor.agent
	if len(c.req.Body()) > 0 && s.follow(c.req.Body()) != nil {
		c.refuse(488)
		return
	}
	c.dialog = agent.answering(c.req, s, s.describe(len(c.req.Body()) > 0))
	agent.put(c.dialog)
	defer agent.remove(c.dialog)
	if !wait(ctx, b.PDD, c.cancelled) {
		c.abandon()
		return
	}
	if refused := b.Code != 0 && b.Code != 200; !refused || b.Ring > 0 {
		c.progress()
	}
	ring := b.Ring
	if b.Code == 0 {
		ring = 10 * time.Minute // the caller's patience ends before
	}
	switch {
	case !wait(ctx, ring, c.cancelled):
		c.abandon()
	case b.Code == 0:
		c.refuse(480)
	case b.Code != 200:
		c.refuse(b.Code)
	default:
		c.answer(ctx)
	}
}

func (c *incoming) progress() {
	res := sip.NewResponseFromRequest(c.req, 180, "Ringing", nil)
	var body []byte
	if c.behaviour.Early {
		res = sip.NewResponseFromRequest(c.req, 183, "Session Progress", nil)
		body = c.dialog.body
		c.dialog.stream.talk()
	}
	c.vendor.agent.finish(res, c.dialog, body)
	c.vendor.agent.send(c.tx, res)
}

func (c *incoming) refuse(code int) {
	phrase, cause := reason(code)
	res := sip.NewResponseFromRequest(c.req, code, phrase, nil)
	res.AppendHeader(sip.NewHeader("Reason", fmt.Sprintf("Q.850;cause=%d", cause)))
	c.vendor.agent.send(c.tx, res)
	c.vendor.tally.add(func(n *Counts) { n.Failed[code]++ })
}

// abandon ends a call before its answer. To a CANCEL the transaction has
// already answered 487.
func (c *incoming) abandon() {
	select {
	case <-c.cancelled:
		c.vendor.tally.add(func(n *Counts) { n.Cancelled++ })
	default:
		c.refuse(503)
	}
}

// answer sends the 200 and stays until the call is over. A CANCEL that came
// before it closed cancelled under the transaction's lock, which then did not
// send the 200; one that comes later does not reach us.
func (c *incoming) answer(ctx context.Context) {
	res := c.vendor.agent.success(c.req, c.dialog, c.dialog.body)
	c.vendor.agent.send(c.tx, res)
	select {
	case <-c.cancelled:
		c.abandon()
		return
	default:
	}
	if !c.dialog.repeat(ctx, c.tx, res) {
		c.vendor.tally.add(func(n *Counts) { n.Failed[408]++ })
		c.dialog.hangUp()
		return
	}
	c.vendor.tally.add(func(n *Counts) { n.Answered++ })
	c.dialog.stream.talk()
	var limit <-chan time.Time
	if c.behaviour.HangUpAfter > 0 {
		timer := time.NewTimer(c.behaviour.HangUpAfter)
		defer timer.Stop()
		limit = timer.C
	}
	select {
	case <-c.dialog.ended:
		c.vendor.tally.add(func(n *Counts) { n.CutOff++ })
		return
	case <-limit:
	case <-ctx.Done():
	}
	c.vendor.tally.add(func(n *Counts) { n.Completed++ })
	c.dialog.hangUp()
}
