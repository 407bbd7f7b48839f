// Package alone lets calls through while the book is silent. It stands between the
// calls of a node and the book: what the book answers it passes on. When the book does
// not answer, a call whose account has an allowance for that (events/offline), and any
// call to an emergency number, is decided here, written down with a sync before its
// INVITE goes out, and told to the book when that is back: what has ended as a forced
// debit, what goes on as a hold.
package alone

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/offline"
	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
)

// Book takes commands.
type Book interface {
	Execute(ctx context.Context, cmd *wire.Command) (*wire.Reply, error)
}

// Follower is the node's fold of the book.
type Follower interface {
	View(fn func(*state.State))
	Catalog() *catalog.State
	Wait(ctx context.Context, pos events.Position) error
}

// Config says what a Desk stands between. All is required.
type Config struct {
	Book     Book
	Follower Follower
	Node     string
	// Soon says that the book will answer again in a moment: a majority of nodes hear each
	// other and elect. Then only emergencies do not wait. It may be nil.
	Soon func() bool
	// Path is the file of what was decided here.
	Path string
	Now  func() time.Time
	Log  *slog.Logger
}

const (
	// patience is how long a call that may be decided here waits for the book; quick is
	// that while the book is known to be silent.
	patience = 1200 * time.Millisecond
	quick    = 400 * time.Millisecond
	// mostSoon is for how long it is believed that the book will answer in a moment.
	mostSoon = 10 * time.Second
	// writeEvery is how often what waits is offered to the book, writeWithin how long
	// one offer may take, atOnce how many calls are offered together.
	writeEvery  = time.Second
	writeWithin = 5 * time.Second
	atOnce      = 32
)

// Desk decides in the book's place while it is silent. It is safe for concurrent use.
type Desk struct {
	Config

	mu    sync.Mutex
	calls *offline.Calls
	file  *file
	// open are the calls of this desk that the book has not taken, by id; those that have
	// ended stay until it has.
	open map[events.CallID]*entry
	// silent is since when the book has not answered, zero while it does.
	silent time.Time
}

// entry is a call of the desk. While it goes on it names all its candidates, since the
// book makes them the route of its hold; when it has ended, those that were tried.
type entry struct {
	call  *wire.OfflineCall
	route []*wire.Candidate
	// ended is what ended it, in this run of the program.
	ended *wire.Command
}

// Open reads what an earlier run decided and the book has not taken. Calls that the
// earlier run served go on to be open: who recovers calls closes them.
func Open(c Config) (*Desk, error) {
	through := uint64(0)
	c.Follower.View(func(st *state.State) { through = st.Ledger.OfflineThrough(c.Node) })
	d := &Desk{Config: c, calls: offline.New(through), open: map[events.CallID]*entry{}}
	f, kept, err := openFile(c.Path)
	if err != nil {
		return nil, fmt.Errorf("read what was decided while the book was silent: %w", err)
	}
	d.file = f
	for _, o := range kept {
		if o.Number <= through {
			continue
		}
		if err := d.calls.Record(o); err != nil {
			return nil, fmt.Errorf("read what was decided while the book was silent: %w", err)
		}
		d.open[events.CallID(o.Call)] = &entry{call: o, route: append(o.Tried, o.Candidate)}
	}
	return d, nil
}

// Close closes the file.
func (d *Desk) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.file.f.Close()
}

// Execute passes a command on to the book, or decides it here.
func (d *Desk) Execute(ctx context.Context, cmd *wire.Command) (*wire.Reply, error) {
	if p := cmd.GetPlaceHold(); p != nil {
		return d.place(ctx, cmd, p)
	}
	if id, err := events.CallIDFrom(callOf(cmd)); err == nil {
		if reply, ours, err := d.ours(id, cmd); ours {
			return reply, err
		}
	}
	return d.ask(ctx, cmd)
}

// callOf is the call that a command is about, nil if it is about none that could be the
// desk's.
func callOf(cmd *wire.Command) []byte {
	switch b := cmd.Body.(type) {
	case *wire.Command_AdvanceRoute:
		return b.AdvanceRoute.Call
	case *wire.Command_ExtendHold:
		return b.ExtendHold.Call
	case *wire.Command_ChargeCall:
		return b.ChargeCall.Call
	case *wire.Command_ReleaseHold:
		return b.ReleaseHold.Call
	}
	return nil
}

func (d *Desk) ask(ctx context.Context, cmd *wire.Command) (*wire.Reply, error) {
	reply, err := d.Book.Execute(ctx, cmd)
	d.mu.Lock()
	switch {
	case events.CodeOf(err) != events.CodeUnavailable:
		d.silent = time.Time{}
	case d.silent.IsZero():
		d.silent = d.Now()
	}
	d.mu.Unlock()
	return reply, err
}

// place asks the book to let a call through, and decides when it stays silent.
func (d *Desk) place(ctx context.Context, cmd *wire.Command, p *wire.PlaceHold) (*wire.Reply, error) {
	a, o := d.offered(p)
	if o == nil {
		return d.ask(ctx, cmd)
	}
	wait := d.wait(p.Emergency != "")
	if wait == 0 {
		return d.ask(ctx, cmd)
	}
	short, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	reply, err := d.ask(short, cmd)
	if events.CodeOf(err) != events.CodeUnavailable {
		return reply, err
	}
	if reply, no := d.decide(a, o, p.Route); no == nil {
		return reply, nil
	}
	return d.ask(ctx, cmd) // the same again, for as long as the caller waits
}

// wait is how long a call waits for the book before it is decided here, 0 for as long as
// the caller does.
func (d *Desk) wait(emergency bool) time.Duration {
	d.mu.Lock()
	since := d.silent
	d.mu.Unlock()
	soon := d.Soon != nil && d.Soon() && (since.IsZero() || d.Now().Sub(since) < mostSoon)
	switch {
	case soon && !emergency:
		return 0
	case since.IsZero():
		return patience
	default:
		return quick
	}
}

// decide lets a call through, if it may be.
func (d *Desk) decide(a *wire.Account, o *wire.OfflineCall, route []*wire.Candidate) (*wire.Reply, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for ; d.full(route[o.At].Terminator) && o.Emergency == ""; o.At++ {
		o.Passed = append(o.Passed, &wire.PassedOver{Candidate: o.At, Reason: ledger.PassedFull})
		if int(o.At)+1 == len(route) {
			return nil, events.Refuse(events.CodeLimit, "the channels of all vendors of the route are in use").At("route")
		}
	}
	let, err := d.calls.Let(a, o)
	if err == nil {
		err = d.write(let)
	}
	if err != nil {
		return nil, err
	}
	d.open[events.CallID(let.Call)] = &entry{call: let, route: route}
	d.Log.Warn("a call is let through while the book is silent", "call_id", events.CallID(let.Call).String(), "account", let.Payer,
		"number", let.Number, "emergency", let.Emergency != "")
	return &wire.Reply{Body: &wire.Reply_HoldGranted{HoldGranted: &wire.HoldGranted{PaidMs: let.PaidMs, Candidate: let.At}}}, nil
}

// VendorCalls counts the calls that have a channel of a terminator: those in the book, as
// it was last heard, and those of this desk.
func (d *Desk) VendorCalls(terminator string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.vendorCalls(terminator)
}

// vendorCalls is VendorCalls; the lock is held. A call that is just being written up may
// count twice.
func (d *Desk) vendorCalls(terminator string) (n int) {
	d.Follower.View(func(st *state.State) { n = st.Ledger.VendorCalls(terminator) })
	for _, e := range d.open {
		if e.call.Running && e.route[e.call.At].GetTerminator() == terminator {
			n++
		}
	}
	return n
}

// full tells whether a terminator has no channel free, as far as it is known here; the
// lock is held.
func (d *Desk) full(terminator string) bool {
	limit := d.Follower.Catalog().Terminator(terminator).GetChannels()
	return limit > 0 && d.vendorCalls(terminator) >= int(limit)
}

// offered is a call as it could be decided here, and the account that pays; nil for one
// that only the book can decide: several pay for it, a package does, or the account has
// no allowance.
func (d *Desk) offered(p *wire.PlaceHold) (*wire.Account, *wire.OfflineCall) {
	if len(p.Lines) == 0 || len(p.Route) == 0 {
		return nil, nil
	}
	line := p.Lines[0]
	a := d.Follower.Catalog().Account(line.Payer)
	shared := len(p.Lines) > 1 || line.Package != ""
	if p.Emergency == "" && (shared || a.GetOfflineCalls() == 0) {
		return nil, nil
	}
	o := &wire.OfflineCall{
		Call: p.Call, Payer: line.Payer, Sell: line.Sell, Originator: line.Originator, LimitPrefixes: line.LimitPrefixes,
		Tried: p.Route[:len(p.Route)-1], Candidate: p.Route[len(p.Route)-1],
		PlacedAtUs: d.Now().UnixMicro(), SetupMs: p.SetupMs, MaxMs: p.MaxMs, Emergency: p.Emergency,
	}
	if line.Sell == nil {
		o.Payer = "" // an emergency call without a price costs nothing
	}
	return a, o
}

// write records a call; the lock is held.
func (d *Desk) write(o *wire.OfflineCall) error {
	if err := d.file.add(o); err != nil {
		return events.Refuse(events.CodeUnavailable, "what is decided while the book is silent cannot be written down: %v", err)
	}
	return d.calls.Record(o)
}

// ours executes a command about a call of this desk.
func (d *Desk) ours(id events.CallID, cmd *wire.Command) (reply *wire.Reply, ours bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.open[id]
	if e == nil {
		return nil, false, nil
	}
	next := proto.CloneOf(e.call)
	if !next.Running {
		return &wire.Reply{Repeated: true}, true, nil // the first end counts
	}
	switch b := cmd.Body.(type) {
	case *wire.Command_AdvanceRoute:
		next.At = min(b.AdvanceRoute.Candidate, uint32(len(e.route)-1))
		reply = &wire.Reply{Body: &wire.Reply_HoldGranted{HoldGranted: &wire.HoldGranted{PaidMs: next.PaidMs, Candidate: next.At}}}
	case *wire.Command_ExtendHold:
		next, err = d.calls.Longer(d.Follower.Catalog().Account(next.Payer), next.Number)
		reply = &wire.Reply{Body: &wire.Reply_HoldGranted{HoldGranted: &wire.HoldGranted{PaidMs: next.GetPaidMs()}}}
	case *wire.Command_ChargeCall:
		e.end(next, b.ChargeCall)
		reply = &wire.Reply{Body: &wire.Reply_Charged{Charged: &wire.Charged{}}}
	default: // released: no vendor was sent anything that costs
		e.end(next, &wire.ChargeCall{Unanswered: true, EndedAtUs: d.Now().UnixMicro()})
		next.Sell, next.Candidate = free(next.Sell), proto.CloneOf(next.Candidate)
		next.Candidate.Buy = free(next.Candidate.Buy)
		reply = &wire.Reply{}
	}
	if err == nil {
		err = d.write(next)
	}
	if err != nil {
		return nil, true, err
	}
	e.call = next
	if !next.Running {
		e.ended = cmd
	}
	return reply, true, nil
}

// free are terms without a fee for the attempt.
func free(t *wire.Terms) *wire.Terms {
	t = proto.CloneOf(t)
	if t != nil {
		t.AttemptFeeMicro = 0
	}
	return t
}

// end notes how a call ended.
func (e *entry) end(o *wire.OfflineCall, c *wire.ChargeCall) {
	at := int(c.Candidate)
	if c.Unanswered {
		at = max(int(c.Attempts), 1) - 1
	}
	at = min(at, len(e.route)-1)
	o.Running, o.Tried, o.Candidate, o.EgressLeg = false, e.route[:at], e.route[at], c.EgressLeg
	o.AnsweredAtUs, o.EndedAtUs, o.RawMs, o.SipCode, o.Q850, o.EndedBy = c.AnsweredAtUs, c.EndedAtUs, c.RawMs, c.SipCode, c.Q850, c.EndedBy
	o.Unanswered = c.Unanswered
}

// Running are the holds that calls of this desk that go on have in place of ones in the
// book.
func (d *Desk) Running() map[events.CallID]*ledger.Hold {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := map[events.CallID]*ledger.Hold{}
	for id, e := range d.open {
		if e.call.Running {
			h := ledger.OfflineHold(&wire.OfflineWrittenUp{Node: d.Node, Call: e.call})
			out[id] = &ledger.Hold{HoldPlaced: h, PlacedAtUS: e.call.PlacedAtUs}
		}
	}
	return out
}

// Waiting is how many calls the book does not know of yet.
func (d *Desk) Waiting() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.open)
}
