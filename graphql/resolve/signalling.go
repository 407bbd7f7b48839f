package resolve

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/99designs/gqlgen/graphql"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/model"
)

// Signalling is what the API needs of the switch's dealings with others.
type Signalling interface {
	// TerminatorState is what pings know of a terminator; false for one that is not
	// pinged.
	TerminatorState(id string) (TerminatorState, bool)
	// RegistrationState is how a registration of this node's stands; false for one
	// that it does not keep.
	RegistrationState(id string) (RegistrationState, bool)
}

// TerminatorState is what pings know of a terminator.
type TerminatorState struct {
	Up              bool
	Since, PingedAt time.Time // PingedAt is zero before the first ping
	Took            time.Duration
	Reason, Address string
}

// RegistrationState is how a registration of ours stands. Times may be zero.
type RegistrationState struct {
	Registered                  bool
	Since, AskedAt, Until, Next time.Time
	Reason, Address, Contact    string
	Failures                    int
}

// optionalTime is null for what has not been.
func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// terminatorState shows what pings know, to staff only.
func (r *Resolver) terminatorState(ctx context.Context, key string) *model.TerminatorState {
	s, pinged := r.Backend.TerminatorState(key)
	if !pinged || !auth.FromContext(ctx).Staff() {
		return nil
	}
	return &model.TerminatorState{
		Up: s.Up, Since: s.Since, PingedAt: optionalTime(s.PingedAt), Reason: s.Reason, Took: s.Took, Address: s.Address,
	}
}

func (r *Resolver) down(terminator string) bool {
	s, pinged := r.Backend.TerminatorState(terminator)
	return pinged && !s.Up
}

func (r *Resolver) registrationState(key string) *model.RegistrationState {
	s, ours := r.Backend.RegistrationState(key)
	if !ours {
		return nil
	}
	return &model.RegistrationState{
		Registered: s.Registered, Since: s.Since, AskedAt: optionalTime(s.AskedAt), Reason: s.Reason,
		Until: optionalTime(s.Until), Next: optionalTime(s.Next), Address: s.Address, Contact: s.Contact, Failures: s.Failures,
	}
}

func registration(it catalog.Item) *model.Registration {
	g := it.Entity.GetRegistration()
	return &model.Registration{
		ID: model.ID(catalog.KindRegistration, g.Id), Key: g.Id, OriginatorKey: g.Originator, Registrar: g.Registrar,
		Proxy: g.Proxy, Transport: g.Transport, User: g.User, AuthUser: g.AuthUser, HasPassword: len(g.Secret) > 0,
		Expiry: time.Duration(g.ExpiryS) * time.Second, Listener: g.Listener, Node: g.Node, Disabled: g.Disabled, Version: it.Version,
	}
}

func (r *Resolver) putRegistration(ctx context.Context, in model.RegistrationPutInput) (*model.RegistrationPutPayload, error) {
	out, err := r.edit(ctx, edit{
		ref:      catalog.Ref{Kind: catalog.KindRegistration, ID: in.Key},
		expected: in.ExpectedVersion, dryRun: in.DryRun,
		build: func(cat *catalog.State) (*wire.Entity, error) {
			g := &wire.Registration{Id: in.Key}
			if old := cat.Registration(in.Key); old != nil {
				g = proto.CloneOf(old)
			}
			return catalog.EntityOf(g), r.fillRegistration(g, in)
		},
	})
	payload := &model.RegistrationPutPayload{Position: out.position, UserErrors: list(out.errors)}
	if out.item.Entity != nil {
		payload.Registration = registration(out.item)
	}
	return payload, err
}

func (r *Resolver) fillRegistration(g *wire.Registration, in model.RegistrationPutInput) error {
	var f fields
	f.link("originator", &g.Originator, catalog.KindOriginator, in.Originator)
	set(&g.Registrar, in.Registrar)
	set(&g.Proxy, in.Proxy)
	set(&g.Transport, in.Transport)
	set(&g.User, in.User)
	set(&g.AuthUser, in.AuthUser)
	f.secret("password", &g.Secret, in.Password, func(plain []byte) ([]byte, error) {
		return r.Backend.Wrap(catalog.Ref{Kind: catalog.KindRegistration, ID: in.Key}, plain)
	})
	f.duration("expiry", &g.ExpiryS, in.Expiry, time.Second)
	set(&g.Listener, in.Listener)
	set(&g.Node, in.Node)
	set(&g.Disabled, in.Disabled)
	return f.err
}

// secret wraps a password that was given; an empty one takes it away.
func (f *fields) secret(path string, to *[]byte, o graphql.Omittable[*string], wrap func([]byte) ([]byte, error)) {
	if !o.IsSet() {
		return
	}
	plain := or(o, "")
	if plain == "" {
		*to = nil
		return
	}
	if len(plain) > maxPassword {
		f.fail(path, events.Invalid("a password has at most %d bytes", maxPassword))
		return
	}
	wrapped, err := wrap([]byte(plain))
	if err != nil {
		f.fail(path, events.Invalid("it cannot be encrypted: %v", err))
		return
	}
	*to = wrapped
}

func showPing(p *wire.Ping) *model.Ping {
	if p == nil {
		return nil
	}
	return &model.Ping{
		Interval: time.Duration(p.IntervalS) * time.Second, Timeout: time.Duration(p.TimeoutMs) * time.Millisecond,
		UpCodes: each(p.UpCodes, func(c uint32) int { return int(c) }), DownAfter: int(p.DownAfter), UpAfter: int(p.UpAfter),
	}
}

// ping replaces the ping as a whole.
func (f *fields) ping(to **wire.Ping, o graphql.Omittable[*model.PingInput]) {
	if !o.IsSet() {
		return
	}
	in := value(o)
	if in == nil {
		*to = nil
		return
	}
	p := &wire.Ping{}
	f.duration("ping.interval", &p.IntervalS, graphql.OmittableOf(&in.Interval), time.Second)
	f.duration("ping.timeout", &p.TimeoutMs, in.Timeout, time.Millisecond)
	f.count("ping.downAfter", &p.DownAfter, in.DownAfter)
	f.count("ping.upAfter", &p.UpAfter, in.UpAfter)
	given(&p.UpCodes, in.UpCodes, func(c int) uint32 { return uint32(max(c, 0)) })
	*to = p
}
