package resolve

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/model"
)

// maxPassword bounds a password that answers challenges, in bytes.
const maxPassword = 128

func (r *Resolver) putOriginator(ctx context.Context, in model.OriginatorPutInput) (*model.OriginatorPutPayload, error) {
	out, err := r.edit(ctx, edit{
		ref:      catalog.Ref{Kind: catalog.KindOriginator, ID: in.Key},
		expected: in.ExpectedVersion, dryRun: in.DryRun,
		build: func(cat *catalog.State) (*wire.Entity, error) {
			o := &wire.Originator{Id: in.Key}
			if old := cat.Originator(in.Key); old != nil {
				o = proto.CloneOf(old)
			}
			user := o.AuthUser
			if err := fillOriginator(o, in); err != nil {
				return nil, err
			}
			if o.AuthUser == "" || o.AuthUser != user {
				o.AuthSecret = nil // it was made for another name
			}
			var err error
			o.AuthSecret, err = r.ha1(catalog.Ref{Kind: catalog.KindOriginator, ID: o.Id}, o.AuthUser, o.AuthSecret, in.AuthPassword, "authPassword")
			return catalog.EntityOf(o), err
		},
	})
	payload := &model.OriginatorPutPayload{Position: out.position, UserErrors: list(out.errors)}
	if out.item.Entity != nil {
		payload.Originator = originator(out.item)
	}
	return payload, err
}

func fillOriginator(o *wire.Originator, in model.OriginatorPutInput) error {
	var f fields
	f.link("company", &o.Company, catalog.KindCompany, in.Company)
	f.link("account", &o.Account, catalog.KindAccount, in.Account)
	f.link("sellDeck", &o.SellDeck, catalog.KindDeck, in.SellDeck)
	f.link("routePlan", &o.RoutePlan, catalog.KindRoutePlan, in.RoutePlan)
	if networks, set := in.Networks.ValueOK(); set {
		o.Networks = networks
	}
	f.count("port", &o.Port, in.Port)
	set(&o.AuthUser, in.AuthUser)
	set(&o.TechPrefix, in.TechPrefix)
	f.count("channels", &o.Channels, in.Channels)
	f.count("callsPerSecond", &o.CallsPerSecond, in.CallsPerSecond)
	if mode := value(in.ProfitMode); mode != nil {
		o.ProfitMode = mode.Wire()
	}
	f.decimal("minimumMargin", &o.MinimumMarginNano, in.MinimumMargin, 9)
	f.duration("maxDuration", &o.MaxDurationS, in.MaxDuration, time.Second)
	share := int64(o.MinimumMarginPpm)
	f.decimal("minimumMarginShare", &share, in.MinimumMarginShare, 6)
	o.MinimumMarginPpm = uint32(min(max(share, 0), 1<<30)) // the catalog refuses what is above 100 %
	given(&o.Rewrites, in.Rewrites, rewriteOf)
	f.uses(&o.Lists, in.Lists)
	f.prefixLimits(&o.PrefixLimits, in.PrefixLimits)
	set(&o.Listener, in.Listener)
	replace(&o.Nodes, in.Nodes)
	set(&o.NodesFailover, in.NodesFailover)
	set(&o.Certificate, in.Certificate)
	set(&o.Redirect, in.Redirect)
	set(&o.Disabled, in.Disabled)
	f.sip(&o.Sip, in.Sip)
	return f.err
}

func (r *Resolver) putTerminator(ctx context.Context, in model.TerminatorPutInput) (*model.TerminatorPutPayload, error) {
	out, err := r.edit(ctx, edit{
		ref:      catalog.Ref{Kind: catalog.KindTerminator, ID: in.Key},
		expected: in.ExpectedVersion, dryRun: in.DryRun,
		build: func(cat *catalog.State) (*wire.Entity, error) {
			t := &wire.Terminator{Id: in.Key}
			if old := cat.Terminator(in.Key); old != nil {
				t = proto.CloneOf(old)
			}
			if err := fillTerminator(t, in); err != nil {
				return nil, err
			}
			return catalog.EntityOf(t), r.digest(t, in)
		},
	})
	payload := &model.TerminatorPutPayload{Position: out.position, UserErrors: list(out.errors)}
	if out.item.Entity != nil {
		payload.Terminator = terminator(out.item)
	}
	return payload, err
}

// digest sets the credentials that answer a terminator's challenges. The password
// is wrapped here and is never given back; without a user there is none.
func (r *Resolver) digest(t *wire.Terminator, in model.TerminatorPutInput) error {
	set(&t.AuthUser, in.AuthUser)
	if t.AuthUser == "" {
		t.AuthSecret = nil
	}
	password := or(in.AuthPassword, "")
	switch {
	case password == "":
		return nil
	case t.AuthUser == "":
		return events.Invalid("a password needs a user").At("input.authUser")
	case len(password) > maxPassword:
		return events.Invalid("a password has at most %d bytes", maxPassword).At("input.authPassword")
	}
	wrapped, err := r.Backend.Wrap(catalog.Ref{Kind: catalog.KindTerminator, ID: t.Id}, []byte(password))
	t.AuthSecret = wrapped
	return err
}

func fillTerminator(t *wire.Terminator, in model.TerminatorPutInput) error {
	var f fields
	f.link("company", &t.Company, catalog.KindCompany, in.Company)
	f.link("account", &t.Account, catalog.KindAccount, in.Account)
	f.link("buyDeck", &t.BuyDeck, catalog.KindDeck, in.BuyDeck)
	set(&t.Host, in.Host)
	f.count("port", &t.Port, in.Port)
	set(&t.Transport, in.Transport)
	set(&t.TechPrefix, in.TechPrefix)
	f.count("channels", &t.Channels, in.Channels)
	f.duration("pddTimeout", &t.PddTimeoutMs, in.PddTimeout, time.Millisecond)
	f.duration("ringTimeout", &t.RingTimeoutMs, in.RingTimeout, time.Millisecond)
	f.count("callsPerSecond", &t.CallsPerSecond, in.CallsPerSecond)
	given(&t.Rewrites, in.Rewrites, rewriteOf)
	f.uses(&t.Lists, in.Lists)
	set(&t.Listener, in.Listener)
	replace(&t.Nodes, in.Nodes)
	set(&t.NodesFailover, in.NodesFailover)
	f.ping(&t.Ping, in.Ping)
	set(&t.Disabled, in.Disabled)
	f.sip(&t.Sip, in.Sip)
	return f.err
}
