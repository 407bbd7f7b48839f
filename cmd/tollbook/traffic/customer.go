package traffic

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"github.com/emiago/sipgo/sip"
)

// CustomerConfig describes a customer.
type CustomerConfig struct {
	// Addr is its own address for SIP and media; port 0 takes any free one.
	Addr netip.AddrPort
	// Switch is where it sends its calls.
	Switch netip.AddrPort
	// Total is the number of calls to place, 0 for as many as the context allows.
	Total int
	// Every is the mean time between two calls; the pauses are exponential. 0
	// places them without a pause.
	Every time.Duration
	// MaxCalls bounds the calls up at a time; 0 means 100. At the bound the next
	// call waits.
	MaxCalls int
	// Called and Callers are the kinds of numbers to draw from.
	Called, Callers []Numbers
	// MeanDuration is the mean of the exponential talking time, which is kept
	// between MinDuration and MaxDuration. Zero MeanDuration means a minute,
	// zero MaxDuration ten times the mean.
	MeanDuration, MinDuration, MaxDuration time.Duration
	// Patience is how long an answer is waited for; 0 means a minute.
	Patience time.Duration
	// CancelPercent of the calls are given up within CancelWithin.
	CancelPercent int
	CancelWithin  time.Duration
	// Username and Password answer a digest challenge (RFC 3261, section 22).
	Username, Password string
	// Seed makes numbers, durations and pauses reproducible.
	Seed uint64
	// Silent sends no RTP; what comes is still counted.
	Silent bool
	// Log is told of errors; nil means silence.
	Log *slog.Logger
}

func (c *CustomerConfig) complete() error {
	if !c.Switch.IsValid() || len(c.Called) == 0 || len(c.Callers) == 0 {
		return errors.New("traffic: a customer needs Switch, Called and Callers")
	}
	if c.MaxCalls <= 0 {
		c.MaxCalls = 100
	}
	if c.MeanDuration <= 0 {
		c.MeanDuration = time.Minute
	}
	if c.MaxDuration <= 0 {
		c.MaxDuration = 10 * c.MeanDuration
	}
	if c.Patience <= 0 {
		c.Patience = time.Minute
	}
	return nil
}

// Customer places calls (a UAC). Use NewCustomer, then Run.
type Customer struct {
	config CustomerConfig
	agent  *agent
	tally  tally
}

// NewCustomer binds the customer's address.
func NewCustomer(config CustomerConfig) (*Customer, error) {
	if err := config.complete(); err != nil {
		return nil, err
	}
	a, err := newAgent(config.Addr, config.Log)
	if err != nil {
		return nil, err
	}
	a.on(sip.INVITE, a.renew) // within a dialog only
	return &Customer{config: config, agent: a}, nil
}

// Addr is where the customer's signalling comes from.
func (c *Customer) Addr() netip.AddrPort { return c.agent.addr }

// Counts are the calls so far.
func (c *Customer) Counts() Counts { return c.tally.read() }

// Run places calls until Total is reached and they are over, or the context
// ends; then it ends those that are up, within a few seconds, and returns. It
// is called once.
func (c *Customer) Run(ctx context.Context) error {
	defer c.agent.close()
	if err := c.agent.serve(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	planner := newPlanner(c.config)
	slots := make(chan struct{}, c.config.MaxCalls)
	for n := 0; c.config.Total == 0 || n < c.config.Total; n++ {
		plan := planner.next()
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		if ctx.Err() != nil || !c.agent.enter() {
			return nil
		}
		go func() {
			defer c.agent.leave()
			c.place(ctx, plan)
			<-slots
		}()
		if !wait(ctx, plan.Pause, nil) {
			return nil
		}
	}
	return nil
}

// place makes one call from the INVITE to its end.
func (c *Customer) place(ctx context.Context, plan Plan) {
	s, err := newStream(c.agent.addr.Addr(), c.config.Silent)
	if err != nil {
		c.agent.log.Error("traffic customer", "err", err)
		c.tally.add(func(n *Counts) { n.Attempts++; n.Failed[0]++ })
		return
	}
	c.tally.add(func(n *Counts) { n.Attempts++; n.Active++ })
	defer c.tally.finish(s)
	call := newOutgoing(c, plan, s)
	d, result := call.connect(ctx)
	switch {
	case result.cancelled:
		c.tally.add(func(n *Counts) { n.Cancelled++ })
	case d == nil:
		c.tally.add(func(n *Counts) { n.Failed[result.code]++ })
	default:
		c.tally.add(func(n *Counts) { n.Answered++ })
		c.talk(ctx, d, plan.Duration)
	}
	if d != nil {
		c.agent.remove(d)
	}
}

func (c *Customer) talk(ctx context.Context, d *dialog, duration time.Duration) {
	wait(ctx, duration, d.ended)
	select {
	case <-d.ended:
		c.tally.add(func(n *Counts) { n.CutOff++ })
	default:
		c.tally.add(func(n *Counts) { n.Completed++ })
		d.hangUp()
	}
}
