package resolve

import (
	"context"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/model"
)

// RecordingState is how the recording of a running call stands.
type RecordingState string

// The states of a recording.
const (
	RecordingNone    RecordingState = "NONE"
	RecordingOn      RecordingState = "ON"
	RecordingPaused  RecordingState = "PAUSED"
	RecordingStopped RecordingState = "STOPPED"
)

const (
	recordingPrefix = "RECORDING_POLICY_"
	capturePrefix   = "CAPTURE_POLICY_"
)

func evidenceRule(it catalog.Item) *model.EvidenceRule {
	e := it.Entity.GetEvidenceRule()
	ids := func(kind catalog.Kind, keys []string) []string {
		return each(keys, func(key string) string { return model.ID(kind, key) })
	}
	out := &model.EvidenceRule{
		ID: model.ID(catalog.KindEvidenceRule, e.Id), Key: e.Id, Name: e.Name, Disabled: e.Disabled, Priority: int(e.Priority),
		OriginatorIds: ids(catalog.KindOriginator, e.Originators), TerminatorIds: ids(catalog.KindTerminator, e.Terminators),
		SubscriberIds: ids(catalog.KindSubscriber, e.Subscribers), Callers: append([]string{}, e.Callers...),
		Called: append([]string{}, e.Called...), NumberListID: model.OptionalID(catalog.KindNumberList, e.NumberList),
		PerMille: int(e.PerMille), Version: it.Version,
	}
	if e.Recording != 0 {
		recording := model.RecordingPolicy(strings.TrimPrefix(e.Recording.String(), recordingPrefix))
		out.Recording = &recording
	}
	if e.Capture != 0 {
		capture := showCapture(e.Capture)
		out.Capture = &capture
	}
	return out
}

func showCapture(c wire.CapturePolicy) model.CapturePolicy {
	return model.CapturePolicy(strings.TrimPrefix(c.String(), capturePrefix))
}

func (r *Resolver) putEvidenceRule(ctx context.Context, in model.EvidenceRulePutInput) (*model.EvidenceRulePutPayload, error) {
	out, err := r.edit(ctx, edit{
		ref:      catalog.Ref{Kind: catalog.KindEvidenceRule, ID: in.Key},
		expected: in.ExpectedVersion, dryRun: in.DryRun,
		build: func(cat *catalog.State) (*wire.Entity, error) {
			e := &wire.EvidenceRule{Id: in.Key}
			if old := cat.EvidenceRule(in.Key); old != nil {
				e = proto.CloneOf(old)
			}
			var f fields
			f.evidenceRule(e, in)
			return catalog.EntityOf(e), f.err
		},
	})
	payload := &model.EvidenceRulePutPayload{Position: out.position, UserErrors: list(out.errors)}
	if out.item.Entity != nil {
		payload.EvidenceRule = evidenceRule(out.item)
	}
	return payload, err
}

func (f *fields) evidenceRule(e *wire.EvidenceRule, in model.EvidenceRulePutInput) {
	set(&e.Name, in.Name)
	set(&e.Disabled, in.Disabled)
	f.count("priority", &e.Priority, in.Priority)
	keys := func(path string, kind catalog.Kind, to *[]string, o graphql.Omittable[[]string]) {
		given(to, o, func(id string) string { return f.key(path, kind, id) })
	}
	keys("originators", catalog.KindOriginator, &e.Originators, in.Originators)
	keys("terminators", catalog.KindTerminator, &e.Terminators, in.Terminators)
	keys("subscribers", catalog.KindSubscriber, &e.Subscribers, in.Subscribers)
	replace(&e.Callers, in.Callers)
	replace(&e.Called, in.Called)
	if in.NumberList.IsSet() {
		e.NumberList = ""
		if id := value(in.NumberList); id != nil {
			e.NumberList = f.key("numberList", catalog.KindNumberList, *id)
		}
	}
	f.count("perMille", &e.PerMille, in.PerMille)
	if in.Recording.IsSet() {
		e.Recording = 0
		if p := value(in.Recording); p != nil {
			e.Recording = wire.RecordingPolicy(wire.RecordingPolicy_value[recordingPrefix+string(*p)])
		}
	}
	if in.Capture.IsSet() {
		e.Capture = 0
		if p := value(in.Capture); p != nil {
			e.Capture = wire.CapturePolicy(wire.CapturePolicy_value[capturePrefix+string(*p)])
		}
	}
}

// simulatedEvidence is what would be kept of a call that goes to its first candidate.
func simulatedEvidence(w *routing.World, a routing.Answer) *model.Evidence {
	if a.Refused != "" {
		return nil
	}
	p := routing.Parties{Originator: a.Request.Originator.GetId(), Caller: a.Request.Caller, Called: a.Request.Called}
	if len(a.Decision.Candidates) > 0 {
		p.Terminator = a.Decision.Candidates[0].Terminator.Id
	}
	e := w.Evidence(p)
	rule := func(id string) *model.EvidenceRule {
		item, ok := w.Catalog.Get(catalog.Ref{Kind: catalog.KindEvidenceRule, ID: id})
		if !ok {
			return nil
		}
		return evidenceRule(item)
	}
	return &model.Evidence{
		Recorded: e.Record, RecordingRule: rule(e.RecordRule),
		Capture: showCapture(max(e.Capture, wire.CapturePolicy_CAPTURE_POLICY_OFF)), CaptureRule: rule(e.CaptureRule),
	}
}

// steer has the recording of a running call started, stopped, paused or resumed.
func (r *Resolver) steer(ctx context.Context, in model.RecordingInput, action wire.RecordingAction) (*model.RecordingPayload, error) {
	id, ok := model.ParseCallID(in.Call)
	reason := or(in.Reason, "")
	var err error
	switch {
	case !ok:
		err = events.NotFound("there is no call %.80q", in.Call).At("input.call")
	case len(reason) > maxNote:
		err = events.Invalid("a reason has at most %d bytes", maxNote).At("input.reason")
	default:
		err = r.Backend.SteerRecording(ctx, id, action, auth.FromContext(ctx).Actor, reason)
	}
	if err != nil {
		mistakes, err := userErrors(err)
		return &model.RecordingPayload{UserErrors: mistakes}, err
	}
	global := model.CallID(id)
	return &model.RecordingPayload{CallID: &global, UserErrors: []*model.UserError{}}, nil
}
