// Package outbound sends what we ask of others on our own account: pings to
// terminators, which take them out of routing and bring them back, and
// registrations at others' registrars.
//
// Each of them has one goroutine, started, replaced and ended as the catalog says.
package outbound

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/sip/gate"
	"github.com/tollbook/tollbook/sip/locate"
)

const (
	// lookEvery is how often the catalog is compared with what runs.
	lookEvery = time.Second
	// maxTasks bounds the pings and registrations of a node.
	maxTasks = 10_000
	// farewell bounds the time that registrations are taken back in.
	farewell = 2 * time.Second
)

// Secrets unwraps what the book keeps wrapped; the cluster key does.
type Secrets interface {
	Unwrap(name string, wrapped []byte) ([]byte, error)
}

// Config is what an Outbound works with.
type Config struct {
	Node    string
	Gate    *gate.Gate
	Locate  *locate.Locator
	Catalog func() *catalog.State
	Secrets Secrets
	// Holds tells whether a listener's address is here: of a registration that is bound to
	// a shared one there is one in the cluster, where the address is.
	Holds func(listener string) bool
	// Record takes events for the audit.
	Record func(*wire.Event)
	Log    *slog.Logger
}

// Outbound is what runs. It is made by New and lives while Run does.
type Outbound struct {
	config Config

	moved  chan struct{} // an address has come or gone
	ending func() bool   // of the whole, while Run does

	mu            sync.Mutex
	seen          *catalog.State
	tasks         map[catalog.Ref]*task
	terminators   map[string]TerminatorState
	registrations map[string]RegistrationState
	work          sync.WaitGroup
}

// task is one ping or registration.
type task struct {
	entity proto.Message
	stop   context.CancelFunc
}

// New makes an Outbound.
func New(c Config) *Outbound {
	return &Outbound{
		config: c, tasks: map[catalog.Ref]*task{}, moved: make(chan struct{}, 1),
		terminators: map[string]TerminatorState{}, registrations: map[string]RegistrationState{},
	}
}

// Run follows the catalog until ctx ends; then it takes the registrations back.
func (o *Outbound) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	defer o.work.Wait()
	o.ending = func() bool { return ctx.Err() != nil }
	for {
		o.follow(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-o.moved:
			o.mu.Lock()
			o.seen = nil
			o.mu.Unlock()
		}
	}
}

// Moved has the registrations follow an address that has come or gone.
func (o *Outbound) Moved() {
	select {
	case o.moved <- struct{}{}:
	default:
	}
}

// follow starts, replaces and ends tasks where the catalog has changed.
func (o *Outbound) follow(ctx context.Context) {
	cat := o.config.Catalog()
	o.mu.Lock()
	defer o.mu.Unlock()
	if cat == o.seen {
		return
	}
	o.seen = cat
	wanted := o.wanted(cat)
	for ref, t := range o.tasks {
		if e, ok := wanted[ref]; ok && proto.Equal(e, t.entity) {
			delete(wanted, ref)
			continue
		}
		t.stop()
		delete(o.tasks, ref)
		o.forget(ref)
	}
	for ref, e := range wanted {
		if len(o.tasks) >= maxTasks {
			o.config.Log.Error("there are too many pings and registrations; some do not run", "limit", maxTasks)
			return
		}
		o.start(ctx, ref, e)
	}
}

func (o *Outbound) forget(ref catalog.Ref) {
	if ref.Kind == catalog.KindTerminator {
		delete(o.terminators, ref.ID)
		return
	}
	delete(o.registrations, ref.ID)
}

// wanted are the entities that need a task.
func (o *Outbound) wanted(cat *catalog.State) map[catalog.Ref]proto.Message {
	out := map[catalog.Ref]proto.Message{}
	for _, it := range cat.List(catalog.KindTerminator) {
		if t := it.Entity.GetTerminator(); t.Ping != nil && !t.Disabled {
			out[catalog.RefOf(it.Entity)] = t
		}
	}
	for _, it := range cat.List(catalog.KindRegistration) {
		if r := it.Entity.GetRegistration(); !r.Disabled && (r.Node == "" || r.Node == o.config.Node) && o.config.Holds(r.Listener) {
			out[catalog.RefOf(it.Entity)] = r
		}
	}
	return out
}

// start runs a task; the lock is held.
func (o *Outbound) start(ctx context.Context, ref catalog.Ref, e proto.Message) {
	ctx, stop := context.WithCancel(ctx)
	o.tasks[ref] = &task{entity: e, stop: stop}
	switch e := e.(type) {
	case *wire.Terminator:
		p := &pinger{o: o, terminator: e}
		p.state = TerminatorState{Up: true, Since: time.Now()}
		o.terminators[ref.ID] = p.state
		o.work.Go(func() { p.run(ctx) })
	case *wire.Registration:
		r := &registrant{o: o, registration: e}
		r.state = RegistrationState{Reason: "not asked yet", Since: time.Now()}
		o.registrations[ref.ID] = r.state
		o.work.Go(func() { r.run(ctx) })
	}
}

// Terminator is the state of one that is pinged; false for one that is not.
func (o *Outbound) Terminator(id string) (TerminatorState, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s, ok := o.terminators[id]
	return s, ok
}

// Registration is the state of one that this node keeps; false for others.
func (o *Outbound) Registration(id string) (RegistrationState, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s, ok := o.registrations[id]
	return s, ok
}

// Down tells whether pings have taken a terminator out of routing.
func (o *Outbound) Down(terminator string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	s, pinged := o.terminators[terminator]
	return pinged && !s.Up
}

// target is where requests go: "host", "host:port" or an address, as configured.
type target struct {
	host      string
	port      uint16
	transport string
	listener  *gate.Listener
}

func (t target) locate(ctx context.Context, l *locate.Locator) ([]locate.Address, error) {
	return l.Locate(ctx, locate.Target{
		Host: t.host, Port: t.port, Transport: t.transport, Serves: t.listener.Serves, Six: t.listener.Addr().Is6(),
	})
}

// send sends a request to an address and waits for its final answer, answering
// nothing itself.
func (o *Outbound) send(ctx context.Context, t target, to locate.Address, req *sip.Request) (*sip.Response, error) {
	req.SetTransport(strings.ToUpper(to.Transport))
	req.SetDestination(to.Addr.String())
	req.Laddr = t.listener.Local()
	if to.Transport != "udp" {
		if err := t.listener.Connect(ctx, to.Transport, to.Addr, t.host); err != nil {
			return nil, err
		}
	}
	o.config.Gate.Admit(to.Addr.Addr())
	tx, err := o.config.Gate.Client().TransactionRequest(ctx, req)
	if err != nil {
		return nil, err
	}
	defer tx.Terminate()
	for {
		select {
		case res := <-tx.Responses():
			if !res.IsProvisional() {
				return res, nil
			}
		case <-tx.Done():
			return nil, errors.Join(errNoAnswer, tx.Err())
		case <-ctx.Done():
			return nil, errNoAnswer
		}
	}
}

var errNoAnswer = errors.New("no answer")

// newRequest makes a request outside of any dialog.
func newRequest(method sip.RequestMethod, to sip.Uri, from, who sip.Uri, callID string, sequence uint32) *sip.Request {
	req := sip.NewRequest(method, to)
	f := &sip.FromHeader{Address: from}
	f.Params.Add("tag", sip.GenerateTagN(16))
	id, hops := sip.CallIDHeader(callID), sip.MaxForwardsHeader(70)
	req.AppendHeader(f)
	req.AppendHeader(&sip.ToHeader{Address: who})
	req.AppendHeader(&id)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: sequence, MethodName: method})
	req.AppendHeader(&hops)
	return req
}

func newCallID(node string) string { return fmt.Sprintf("%s@%s", rand.Text(), node) }

// said is what an answer says, for people.
func said(res *sip.Response, err error) string {
	if err != nil {
		return err.Error()
	}
	reason := res.Reason
	if len(reason) > 80 {
		reason = reason[:80]
	}
	return fmt.Sprintf("%d %s", res.StatusCode, reason)
}

// hostPort splits a host that may have a port.
func hostPort(s string) (host string, port uint16) {
	if a, err := netip.ParseAddrPort(s); err == nil {
		return a.Addr().String(), a.Port()
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return s, 0
	}
	host, digits, _ := strings.Cut(s, ":")
	for _, d := range digits { // the catalog lets only digits pass
		port = port*10 + uint16(d-'0')
	}
	return host, port
}

// pause waits, and tells whether the wait was not cut short.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
