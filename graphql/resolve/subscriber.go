package resolve

import (
	"context"
	"net/netip"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/99designs/gqlgen/graphql"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/digest"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/model"
)

func subscriber(it catalog.Item) *model.Subscriber {
	s := it.Entity.GetSubscriber()
	return &model.Subscriber{
		ID: model.ID(catalog.KindSubscriber, s.Id), Key: s.Id, Name: s.Name, HasPassword: len(s.Secret) > 0,
		CallerNumber: s.CallerNumber, Channels: int(s.Channels), CallsPerSecond: int(s.CallsPerSecond),
		MaxContacts: int(s.MaxContacts), Codecs: append([]string{}, s.Codecs...),
		ForwardAlways: s.ForwardAlways, ForwardBusy: s.ForwardBusy, ForwardNoAnswer: s.ForwardNoAnswer,
		NoAnswer: time.Duration(s.NoAnswerS) * time.Second, MaxDuration: time.Duration(s.MaxDurationS) * time.Second,
		Srtp: srtp(s.Srtp), SrtpOnPlain: s.SrtpOnPlain, TrustRegistration: s.TrustRegistration, Transfers: s.Transfers,
		Disabled: s.Disabled, Version: it.Version,
		CompanyKey: s.Company, AccountKey: s.Account, DeckKey: s.SellDeck, PlanKey: s.RoutePlan,
	}
}

func did(it catalog.Item) *model.Did {
	d := it.Entity.GetDid()
	return &model.Did{
		ID: model.ID(catalog.KindDid, d.Number), Number: d.Number, Disabled: d.Disabled, Version: it.Version,
		CompanyKey: d.Company, SubscriberKey: d.Subscriber, TerminatorKey: d.Terminator, AccountKey: d.Account, DeckKey: d.SellDeck,
	}
}

// contacts shows a subscriber's registered devices.
func (r *Resolver) contacts(s *model.Subscriber) []*model.SubscriberContact {
	return each(r.Backend.Bindings(s.Key), func(b Binding) *model.SubscriberContact {
		return &model.SubscriberContact{
			Contact: b.Contact, Source: b.Source, Transport: b.Transport, Node: b.Node, UserAgent: b.Agent,
			Q: model.Micro(int64(b.Q) * 1000), Nat: b.NAT,
			Since: events.Instant(b.SinceUS), RefreshedAt: events.Instant(b.RefreshedUS), ExpiresAt: events.Instant(b.ExpiresUS),
		}
	})
}

func (r *Resolver) putSubscriber(ctx context.Context, in model.SubscriberPutInput) (*model.SubscriberPutPayload, error) {
	out, err := r.edit(ctx, edit{
		ref:      catalog.Ref{Kind: catalog.KindSubscriber, ID: in.Key},
		expected: in.ExpectedVersion, dryRun: in.DryRun,
		build: func(cat *catalog.State) (*wire.Entity, error) {
			s := &wire.Subscriber{Id: in.Key}
			if old := cat.Subscriber(in.Key); old != nil {
				s = proto.CloneOf(old)
			}
			if err := fillSubscriber(s, in); err != nil {
				return nil, err
			}
			var err error
			s.Secret, err = r.ha1(catalog.Ref{Kind: catalog.KindSubscriber, ID: s.Id}, s.Id, s.Secret, in.Password, "password")
			return catalog.EntityOf(s), err
		},
	})
	payload := &model.SubscriberPutPayload{Position: out.position, UserErrors: list(out.errors)}
	if out.item.Entity != nil {
		payload.Subscriber = subscriber(out.item)
	}
	return payload, err
}

func fillSubscriber(s *wire.Subscriber, in model.SubscriberPutInput) error {
	var f fields
	set(&s.Name, in.Name)
	f.link("company", &s.Company, catalog.KindCompany, in.Company)
	f.link("account", &s.Account, catalog.KindAccount, in.Account)
	f.link("sellDeck", &s.SellDeck, catalog.KindDeck, in.SellDeck)
	f.link("routePlan", &s.RoutePlan, catalog.KindRoutePlan, in.RoutePlan)
	set(&s.CallerNumber, in.CallerNumber)
	f.count("channels", &s.Channels, in.Channels)
	f.count("callsPerSecond", &s.CallsPerSecond, in.CallsPerSecond)
	f.count("maxContacts", &s.MaxContacts, in.MaxContacts)
	replace(&s.Codecs, in.Codecs)
	set(&s.ForwardAlways, in.ForwardAlways)
	set(&s.ForwardBusy, in.ForwardBusy)
	set(&s.ForwardNoAnswer, in.ForwardNoAnswer)
	f.duration("noAnswer", &s.NoAnswerS, in.NoAnswer, time.Second)
	f.duration("maxDuration", &s.MaxDurationS, in.MaxDuration, time.Second)
	set(&s.TrustRegistration, in.TrustRegistration)
	if mode := value(in.Srtp); mode != nil {
		s.Srtp = srtpOf(*mode)
	}
	set(&s.SrtpOnPlain, in.SrtpOnPlain)
	set(&s.Transfers, in.Transfers)
	set(&s.Disabled, in.Disabled)
	return f.err
}

// ha1 is the wrapped secret that a peer who is challenged shall have: of a password
// that was given, none for null, else the old one.
func (r *Resolver) ha1(of catalog.Ref, user string, old []byte, password graphql.Omittable[*string], path string) ([]byte, error) {
	if !password.IsSet() {
		return old, nil
	}
	text := value(password)
	if text == nil {
		return nil, nil
	}
	secret, err := digest.SecretOf(user, *text, digest.RealmOf(r.Backend.Catalog().Settings()))
	if err != nil {
		return nil, events.Invalid("%v", err).At("input." + path)
	}
	return r.Backend.Wrap(of, secret.Bytes())
}

func (r *Resolver) putDid(ctx context.Context, in model.DidPutInput) (*model.DidPutPayload, error) {
	out, err := r.edit(ctx, edit{
		ref:      catalog.Ref{Kind: catalog.KindDid, ID: in.Number},
		expected: in.ExpectedVersion, dryRun: in.DryRun,
		build: func(cat *catalog.State) (*wire.Entity, error) {
			d := &wire.Did{Number: in.Number}
			if old := cat.Did(in.Number); old != nil {
				d = proto.CloneOf(old)
			}
			var f fields
			f.link("company", &d.Company, catalog.KindCompany, in.Company)
			f.link("subscriber", &d.Subscriber, catalog.KindSubscriber, in.Subscriber)
			f.link("terminator", &d.Terminator, catalog.KindTerminator, in.Terminator)
			f.link("account", &d.Account, catalog.KindAccount, in.Account)
			f.link("sellDeck", &d.SellDeck, catalog.KindDeck, in.SellDeck)
			set(&d.Disabled, in.Disabled)
			return catalog.EntityOf(d), f.err
		},
	})
	payload := &model.DidPutPayload{Position: out.position, UserErrors: list(out.errors)}
	if out.item.Entity != nil {
		payload.Did = did(out.item)
	}
	return payload, err
}

func ban(b Ban) *model.Ban {
	return &model.Ban{
		Address: b.Addr.String(), Node: b.Node, Reason: b.Reason, Failures: b.Failures, Since: b.Since, Until: b.Until,
	}
}

func (r *Resolver) liftBan(ctx context.Context, in model.BanLiftInput) (*model.BanLiftPayload, error) {
	addr, err := netip.ParseAddr(in.Address)
	if err != nil || !r.Backend.LiftBan(addr, auth.FromContext(ctx).Actor) {
		mistakes, err := userErrors(events.NotFound("%.60q is not banned", in.Address).At("input.address"))
		return &model.BanLiftPayload{UserErrors: mistakes}, err
	}
	text := addr.String()
	return &model.BanLiftPayload{Address: &text, UserErrors: []*model.UserError{}}, nil
}
