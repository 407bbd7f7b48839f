package state

import (
	"crypto/sha256"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/wire"
)

const (
	// maxSetBytes bounds the bytes of one change set, so that it fits a block.
	maxSetBytes = 400 << 10
	// partBytes bounds one event of a change set.
	partBytes = 48 << 10
	maxNote   = 500
	maxActor  = 500
	schema    = 1
)

// Decide answers a command at a block time, in microseconds. It gives the events
// to record, none for a refusal or a repeat, and the reply; the reply's position
// is filled in by who records the events, and who refuses those that are longer
// than a journal takes. Decide changes nothing.
func (s *State) Decide(nowUS int64, rates *Rates, cmd *wire.Command) ([]*wire.Event, *wire.Reply) {
	evs, reply, err := s.decide(nowUS, rates, cmd)
	if err != nil {
		return nil, s.refused(nowUS, err)
	}
	evs = append(evs, s.Ledger.Alerting(s.Catalog, evs)...)
	reply.TimeUs, reply.Position = nowUS, uint64(s.Position)
	for i, e := range evs {
		e.Id = events.EventID(cmd.Key, i)
		e.Schema, e.Actor, e.Causation = schema, cmd.Actor, cmd.Key
		if e.EffectiveAtUs == 0 {
			e.EffectiveAtUs = nowUS
		}
	}
	if cmd.DryRun {
		evs = nil
	}
	return evs, reply
}

func (s *State) refused(nowUS int64, err error) *wire.Reply {
	return &wire.Reply{TimeUs: nowUS, Position: uint64(s.Position), Error: events.Refusal(err)}
}

func (s *State) decide(nowUS int64, rates *Rates, cmd *wire.Command) ([]*wire.Event, *wire.Reply, error) {
	if len(cmd.Key) != len(events.Key{}) {
		return nil, nil, events.Invalid("a command's key has 16 bytes, not %d", len(cmd.Key))
	}
	if len(cmd.Inputs) != 0 && len(cmd.Inputs) != sha256.Size {
		return nil, nil, events.Invalid("a command's inputs have %d bytes, not %d", sha256.Size, len(cmd.Inputs))
	}
	if cmd.Actor == "" || len(cmd.Actor) > maxActor {
		return nil, nil, events.Invalid("a command needs an actor of at most %d bytes", maxActor)
	}
	if cmd.DeadlineUs != 0 && nowUS > cmd.DeadlineUs {
		return nil, nil, events.Refuse(events.CodeExpired, "the command's deadline has passed")
	}
	d := ledger.Deciding{NowUS: nowUS, Catalog: s.Catalog, Command: cmd, Pace: rates.pace(nowUS)}
	switch b := cmd.Body.(type) {
	case *wire.Command_PlaceHold:
		return s.placeHold(d, rates, b.PlaceHold)
	case *wire.Command_AdvanceRoute:
		return s.advanceRoute(d, b.AdvanceRoute)
	case *wire.Command_ExtendHold:
		return s.extendHold(d, b.ExtendHold)
	case *wire.Command_ChargeCall:
		return s.chargeCall(d, b.ChargeCall)
	case *wire.Command_ReleaseHold:
		r, err := s.Ledger.ReleaseHold(d, b.ReleaseHold)
		if err != nil || r == nil {
			return nil, &wire.Reply{Repeated: true}, err
		}
		return one(r.Call, &wire.Event{Body: &wire.Event_HoldReleased{HoldReleased: r}}), &wire.Reply{}, nil
	case *wire.Command_ClaimHold:
		c, err := s.Ledger.ClaimHold(d, b.ClaimHold)
		if err != nil || c == nil {
			return nil, &wire.Reply{Repeated: true}, err
		}
		return one(c.Call, &wire.Event{Body: &wire.Event_HoldClaimed{HoldClaimed: c}}), &wire.Reply{}, nil
	case *wire.Command_PostMoney:
		return s.postMoney(d, b.PostMoney)
	case *wire.Command_ClosePeriod:
		return s.closePeriod(d, b.ClosePeriod)
	case *wire.Command_WriteUpOffline:
		return s.writeUpOffline(d, b.WriteUpOffline)
	case *wire.Command_RecordRescue:
		return s.recordRescue(b.RecordRescue)
	case *wire.Command_ChangeCatalog:
		return s.changeCatalog(d, b.ChangeCatalog)
	default:
		return nil, nil, events.Invalid("the command asks for nothing that this version knows")
	}
}

func one(correlation []byte, e *wire.Event) []*wire.Event {
	e.Correlation = correlation
	return []*wire.Event{e}
}

func granted(h *wire.HoldPlaced) *wire.Reply_HoldGranted {
	g := &wire.HoldGranted{PaidMs: h.PaidMs, Candidate: h.Candidate}
	for _, l := range h.Lines {
		g.AmountsMicro = append(g.AmountsMicro, l.AmountMicro)
	}
	return &wire.Reply_HoldGranted{HoldGranted: g}
}

func (s *State) placeHold(d ledger.Deciding, rates *Rates, p *wire.PlaceHold) ([]*wire.Event, *wire.Reply, error) {
	if id, err := events.CallIDFrom(p.Call); err == nil {
		if h, ok := s.Ledger.Hold(id); ok && h.Node == d.Command.Node {
			return nil, &wire.Reply{Repeated: true, Body: granted(h.HoldPlaced)}, nil
		}
	}
	if err := s.checkFresh(d, p); err != nil {
		return nil, nil, err
	}
	if err := s.checkBelongs(p); err != nil {
		return nil, nil, err
	}
	if err := rates.take(d, p); err != nil {
		return nil, nil, err
	}
	placed, err := s.Ledger.PlaceHold(d, p)
	if err != nil {
		return nil, nil, err
	}
	evs := one(p.Call, &wire.Event{Body: &wire.Event_HoldPlaced{HoldPlaced: placed}})
	return evs, &wire.Reply{Body: granted(placed)}, nil
}

func (s *State) advanceRoute(d ledger.Deciding, a *wire.AdvanceRoute) ([]*wire.Event, *wire.Reply, error) {
	adv, h, err := s.Ledger.AdvanceRoute(d, a)
	if err != nil {
		return nil, nil, err
	}
	g := granted(h.HoldPlaced)
	if adv == nil {
		return nil, &wire.Reply{Repeated: true, Body: g}, nil
	}
	g.HoldGranted.Candidate = adv.Candidate
	evs := one(a.Call, &wire.Event{Body: &wire.Event_RouteAdvanced{RouteAdvanced: adv}})
	return evs, &wire.Reply{Body: g}, nil
}

func (s *State) extendHold(d ledger.Deciding, x *wire.ExtendHold) ([]*wire.Event, *wire.Reply, error) {
	ext, h, err := s.Ledger.ExtendHold(d, x)
	if err != nil {
		return nil, nil, err
	}
	if ext == nil {
		return nil, &wire.Reply{Repeated: true, Body: granted(h.HoldPlaced)}, nil
	}
	g := &wire.HoldGranted{PaidMs: ext.PaidMs, AmountsMicro: ext.AmountsMicro}
	evs := one(x.Call, &wire.Event{Body: &wire.Event_HoldExtended{HoldExtended: ext}})
	return evs, &wire.Reply{Body: &wire.Reply_HoldGranted{HoldGranted: g}}, nil
}

func (s *State) chargeCall(d ledger.Deciding, c *wire.ChargeCall) ([]*wire.Event, *wire.Reply, error) {
	charged, contested, err := s.Ledger.ChargeCall(d, c)
	switch {
	case err != nil:
		return nil, nil, err
	case charged != nil:
		e := &wire.Event{EffectiveAtUs: c.AnsweredAtUs, Body: &wire.Event_CallCharged{CallCharged: charged}}
		out := &wire.Charged{OverrunMicro: charged.OverrunMicro}
		for _, l := range charged.Lines {
			if l.Side == wire.Side_SIDE_SELL {
				out.GrossMicro += l.GrossMicro
			} else {
				out.CostMicro += l.GrossMicro
			}
		}
		return one(c.Call, e), &wire.Reply{Body: &wire.Reply_Charged{Charged: out}}, nil
	}
	reply := &wire.Reply{Repeated: true}
	if id, err := events.CallIDFrom(c.Call); err == nil {
		closed, _ := s.Ledger.Closed(id)
		reply.Body = &wire.Reply_Charged{Charged: &wire.Charged{
			GrossMicro: int64(closed.Gross), CostMicro: int64(closed.Cost), OverrunMicro: int64(closed.Over),
		}}
	}
	if contested != nil {
		return one(c.Call, &wire.Event{Body: &wire.Event_ChargeContested{ChargeContested: contested}}), reply, nil
	}
	return nil, reply, nil
}

// known answers a command whose key was accepted before.
func (s *State) known(cmd *wire.Command) (*wire.Reply, error) {
	k, ok := s.Ledger.Key(events.Key(cmd.Key))
	if !ok {
		return nil, nil
	}
	if k.InputsHash != string(ledger.InputsHash(cmd)) {
		return nil, events.Refuse(events.CodeConflict,
			"this idempotency key was used at position %d with other inputs", k.Position).At("idempotencyKey")
	}
	return &wire.Reply{
		Repeated: true, Body: &wire.Reply_Posted{Posted: &wire.Posted{Position: uint64(k.Position)}},
	}, nil
}

func (s *State) postMoney(d ledger.Deciding, p *wire.PostMoney) ([]*wire.Event, *wire.Reply, error) {
	if reply, err := s.known(d.Command); reply != nil || err != nil {
		return nil, reply, err
	}
	m, err := s.Ledger.PostMoney(d, p)
	if err != nil {
		return nil, nil, err
	}
	e := &wire.Event{EffectiveAtUs: p.EffectiveAtUs, Body: &wire.Event_MoneyPosted{MoneyPosted: m}}
	posted := &wire.Posted{Position: uint64(s.Position + 1)}
	return one(d.Command.Key, e), &wire.Reply{Body: &wire.Reply_Posted{Posted: posted}}, nil
}

func (s *State) changeCatalog(d ledger.Deciding, c *wire.ChangeCatalog) ([]*wire.Event, *wire.Reply, error) {
	if reply, err := s.known(d.Command); reply != nil || err != nil {
		return nil, reply, err
	}
	if len(c.Note) > maxNote {
		return nil, nil, events.Invalid("the note may have %d bytes", maxNote).At("note")
	}
	changes, err := s.Catalog.Decide(d.NowUS, c.Changes)
	if err != nil {
		return nil, nil, err
	}
	evs, err := split(d.Command, c.Note, changes)
	if err != nil {
		return nil, nil, err
	}
	posted := &wire.Posted{Position: uint64(s.Position) + uint64(len(evs))}
	return evs, &wire.Reply{Body: &wire.Reply_Posted{Posted: posted}}, nil
}

// split puts a change set into as many events as keep each small.
func split(cmd *wire.Command, note string, changes []*wire.Change) ([]*wire.Event, error) {
	hash := ledger.InputsHash(cmd)
	var evs []*wire.Event
	var set *wire.ChangeSetAccepted
	total, size := 0, 0
	for _, c := range changes {
		n := proto.Size(c)
		if n > partBytes {
			return nil, events.Invalid("%s has %d bytes; at most %d are allowed", catalog.RefOf(c.Entity), n, partBytes)
		}
		if set == nil || size+n > partBytes {
			set = &wire.ChangeSetAccepted{Key: cmd.Key, InputsHash: hash, Note: note}
			evs = append(evs, one(cmd.Key, &wire.Event{Body: &wire.Event_ChangeSetAccepted{ChangeSetAccepted: set}})...)
			size = 0
		}
		set.Changes = append(set.Changes, c)
		size += n
		if total += n; total > maxSetBytes {
			return nil, events.Invalid("the change set has more than %d bytes: apply it in parts", maxSetBytes)
		}
	}
	return evs, nil
}
