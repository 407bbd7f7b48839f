// Package registrar knows who is there: it finds out by digest who sends a request,
// bans who guesses, and keeps where the subscribers' devices can be reached
// (RFC 3261, section 10). Bindings lie in a bucket that all nodes share; each node
// has them in memory, too, so that a call asks nobody.
package registrar

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/number"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/sip/gate"
)

const (
	// DefaultBindings bounds the bindings of all subscribers together.
	DefaultBindings = 100_000
	storeWithin     = 3 * time.Second
	tries           = 5
	retryAfter      = "5"
)

// Config is what a Registrar works with.
type Config struct {
	Node  string
	Gate  *gate.Gate
	Door  *Door
	World func() *routing.World
	Store Store
	// Up tells whether another node of the cluster answers; nil of a node alone.
	Up func(node string) bool
	// MaxBindings bounds the bindings of all subscribers; 0 is DefaultBindings.
	MaxBindings int
	Log         *slog.Logger
}

// Registrar takes REGISTER requests and knows the bindings of all nodes.
type Registrar struct {
	config Config
	index  index
	pace   pace
}

// New reads the bindings, follows them until ctx ends, and registers at the gate.
func New(ctx context.Context, c Config) (*Registrar, error) {
	if c.MaxBindings == 0 {
		c.MaxBindings = DefaultBindings
	}
	r := &Registrar{config: c, index: index{users: map[string][]Binding{}, addrs: map[netip.Addr]int{}}}
	err := c.Store.Watch(ctx, func(user string, data []byte) {
		list, err := decode(data)
		if err != nil {
			c.Log.Error("a subscriber's bindings cannot be read", "subscriber", user, "err", err)
			return
		}
		r.index.set(user, list)
	})
	if err != nil {
		return nil, err
	}
	if c.Gate != nil {
		c.Gate.On(sip.REGISTER, r.onRegister)
	}
	return r, nil
}

func decode(data []byte) ([]Binding, error) {
	if len(data) == 0 {
		return nil, nil
	}
	var list []Binding
	err := json.Unmarshal(data, &list)
	return list, err
}

// Knows tells whether a device is registered from an address that is not banned.
func (r *Registrar) Knows(addr netip.Addr) bool {
	return r.index.knows(addr.Unmap()) && !r.config.Door.Banned(addr)
}

// Banned tells whether an address is banned now.
func (r *Registrar) Banned(addr netip.Addr) bool { return r.config.Door.Banned(addr) }

// Welcome tells whether a stranger may say who he is now; one who is banned only
// where a device is registered, since it may have to call for help.
func (r *Registrar) Welcome(from netip.Addr) bool {
	if !r.config.Door.Banned(from) {
		return r.config.Door.Welcome(from)
	}
	return r.index.knows(from.Unmap()) && r.config.Door.pace.allow(group(from), time.Now())
}

// Greet judges a stranger's request at the gate, before anything of it is kept: it
// gives the answer, nil for none, or lets it in. Of who is banned it lets in only a
// call to an emergency number from where a device is registered.
func (r *Registrar) Greet(req *sip.Request, from netip.AddrPort) (answer *sip.Response, in bool) {
	if r.config.Door.Banned(from.Addr()) && req.IsInvite() && r.index.knows(from.Addr().Unmap()) {
		digits, ok := number.Normalise(req.Recipient.User)
		return nil, ok && catalog.Emergency(r.config.World().Catalog.Settings(), digits) != ""
	}
	return r.config.Door.Greet(req, from)
}

// Bindings are a subscriber's, those to be tried first in front.
func (r *Registrar) Bindings(user string) []Binding {
	list := live(r.index.get(user), time.Now().UnixMicro())
	order(list)
	return list
}

// Registered counts a subscriber's devices that can be reached.
func (r *Registrar) Registered(user string) int {
	now, n := time.Now().UnixMicro(), 0
	for _, b := range r.index.get(user) {
		if b.Expires > now && r.open(&b) {
			n++
		}
	}
	return n
}

// From tells whether a subscriber has a binding that came from an address and port.
func (r *Registrar) From(user string, source netip.AddrPort) bool {
	for _, b := range r.Bindings(user) {
		if b.Source == source.String() {
			return true
		}
	}
	return false
}

func (r *Registrar) onRegister(req *sip.Request, tx gate.ServerTransaction) {
	source, err := netip.ParseAddrPort(req.Source())
	if err != nil {
		r.respond(tx, sip.NewResponseFromRequest(req, 400, "Bad Request", nil))
		return
	}
	source = netip.AddrPortFrom(source.Addr().Unmap(), source.Port())
	if !r.pace.allow(group(source.Addr()), time.Now()) {
		res := sip.NewResponseFromRequest(req, 503, "Service Unavailable", nil)
		res.AppendHeader(sip.NewHeader("Retry-After", retryAfter))
		r.respond(tx, res)
		return
	}
	peer, verdict := r.config.Door.Judge(req, source.Addr())
	switch verdict {
	case Passed:
	case Banned:
		r.respond(tx, sip.NewResponseFromRequest(req, 403, "Forbidden", nil))
		return
	default:
		r.respond(tx, r.config.Door.Challenge(req, verdict == Stale))
		return
	}
	r.respond(tx, r.register(req, peer, source, r.config.Gate.ListenerOf(tx).Name()))
}

func (r *Registrar) respond(tx gate.ServerTransaction, res *sip.Response) {
	if err := tx.Respond(res); err != nil {
		r.config.Log.Debug("a REGISTER could not be answered", "code", res.StatusCode, "err", err)
	}
}

// register serves the REGISTER of somebody who has said who he is.
func (r *Registrar) register(req *sip.Request, peer *wire.Originator, source netip.AddrPort, listener string) *sip.Response {
	user, isSubscriber := strings.CutPrefix(peer.Id, catalog.DevicePeer)
	sub := r.config.World().Catalog.Subscriber(user)
	if !isSubscriber || sub == nil || !strings.EqualFold(req.To().Address.User, user) {
		return sip.NewResponseFromRequest(req, 403, "Forbidden", nil)
	}
	list := r.Bindings(user)
	c, no := read(req, source, time.Now())
	if no == nil && c != nil {
		c.base.Node, c.base.Listener, c.base.At, c.most = r.config.Node, listener, r.at(listener), catalog.Contacts(sub)
		list, no = r.store(user, c)
	}
	if no != nil {
		res := sip.NewResponseFromRequest(req, no.code, no.reason, nil)
		switch no.code {
		case 423:
			res.AppendHeader(sip.NewHeader("Min-Expires", strconv.Itoa(int(MinExpires.Seconds()))))
		case 503:
			res.AppendHeader(sip.NewHeader("Retry-After", retryAfter))
		}
		return res
	}
	return registered(req, list)
}

// store applies a change to what is there, again if somebody else was faster, and
// gives what is there then.
func (r *Registrar) store(user string, c *change) ([]Binding, *refusal) {
	var list []Binding
	var no *refusal
	err := ErrConflict
	for try := 0; try < tries && errors.Is(err, ErrConflict); try++ {
		err = r.rewrite(user, func(old []Binding) ([]Binding, bool) {
			if list, no = c.apply(old); no == nil && len(list) > len(old) && r.index.count() >= r.config.MaxBindings {
				no = &refusal{503, "Too Many Registrations"}
			}
			return list, no == nil
		})
	}
	if err != nil {
		r.config.Log.Error("a registration could not be stored", "subscriber", user, "err", err)
		return nil, &refusal{503, "Service Unavailable"}
	}
	return list, no
}

// rewrite changes a subscriber's bindings, unless edit says no. ErrConflict is for
// whoever was slower than somebody else.
func (r *Registrar) rewrite(user string, edit func(old []Binding) ([]Binding, bool)) error {
	ctx, cancel := context.WithTimeout(context.Background(), storeWithin)
	defer cancel()
	data, revision, err := r.config.Store.Get(ctx, user)
	if err != nil {
		return err
	}
	old, err := decode(data)
	if err != nil {
		return fmt.Errorf("read the bindings of %s: %w", user, err)
	}
	list, ok := edit(old)
	if !ok {
		return nil
	}
	data = nil
	if len(list) > 0 {
		if data, err = json.Marshal(list); err != nil {
			return err
		}
	}
	if err := r.config.Store.Put(ctx, user, data, revision); err != nil {
		return err
	}
	r.index.set(user, list)
	return nil
}

// registered is the 200: all bindings with the time that is left to them. The list
// is the index's, too, and stays as it is.
func registered(req *sip.Request, list []Binding) *sip.Response {
	res := sip.NewResponseFromRequest(req, 200, "OK", nil)
	now := time.Now()
	list = slices.Clone(list)
	order(list)
	for _, b := range list {
		u, err := b.uri()
		if err != nil {
			continue // none such is stored
		}
		h := &sip.ContactHeader{Address: u}
		left := (b.Expires - now.UnixMicro() + 999_999) / 1_000_000
		h.Params.Add("expires", strconv.FormatInt(left, 10))
		if b.Q != 1000 {
			h.Params.Add("q", fmt.Sprintf("0.%03d", b.Q))
		}
		res.AppendHeader(h)
	}
	for _, h := range req.GetHeaders("Path") {
		res.AppendHeader(sip.HeaderClone(h))
	}
	res.AppendHeader(sip.NewHeader("Date", now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")))
	return res
}

// Forget removes what has expired: this node's at once, that of others after a
// minute, should they be gone; and all of subscribers that there are no more.
func (r *Registrar) Forget(now time.Time) error {
	for user, list := range r.index.all() {
		gone := r.config.World().Catalog.Subscriber(user) == nil
		due := false
		for _, b := range list {
			over := now.UnixMicro() - b.Expires
			due = due || over > 0 && b.Node == r.config.Node || over > time.Minute.Microseconds()
		}
		if !due && !gone {
			continue
		}
		err := r.rewrite(user, func(old []Binding) ([]Binding, bool) {
			if gone {
				return nil, true
			}
			return live(old, now.UnixMicro()), true
		})
		if err != nil && !errors.Is(err, ErrConflict) { // then it is looked at the next time
			return err
		}
	}
	return nil
}
