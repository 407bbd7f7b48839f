package resolve

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/model"
)

// liveCalls shows the running calls, newest first. A customer sees his own; what
// a vendor may know of a call is in its CDR.
func (r *Resolver) liveCalls(ctx context.Context, s span) (*model.Connection[model.LiveCall], error) {
	viewer := auth.FromContext(ctx)
	calls := slices.DeleteFunc(slices.Clone(r.Backend.LiveCalls()), func(c LiveCall) bool { return !viewer.Sees(c.Company) })
	slices.SortFunc(calls, func(a, b LiveCall) int {
		return cmp.Or(b.SetupAt.Compare(a.SetupAt), bytes.Compare(a.Call[:], b.Call[:]))
	})
	rows := make([]row[LiveCall], len(calls))
	for i, c := range calls {
		rows[i] = row[LiveCall]{newestFirst(c), c}
	}
	now := r.Now()
	return pageOf(rows, s, r.asOf(), func(c LiveCall) *model.LiveCall { return liveCall(c, viewer, now) })
}

// newestFirst is a key that rises while the setup time falls.
func newestFirst(c LiveCall) string {
	const end = 1 << 62
	return pad(end-c.SetupAt.UnixMicro()) + "/" + c.Call.String()
}

func liveCall(c LiveCall, viewer *auth.Viewer, now time.Time) *model.LiveCall {
	out := &model.LiveCall{
		ID: model.CallID(c.Call), Node: c.Node, State: model.LiveState(strings.ToUpper(c.State)),
		CompanyID: model.OptionalID(catalog.KindCompany, c.Company), AccountID: model.OptionalID(catalog.KindAccount, c.Account),
		OriginatorID: model.OptionalID(catalog.KindOriginator, c.Originator),
		Caller:       c.Caller, Called: c.Called, SetupAt: c.SetupAt, Recording: model.RecordingState(cmp.Or(c.Recording, RecordingNone)),
	}
	if viewer.Staff() {
		out.TerminatorID = model.OptionalID(catalog.KindTerminator, c.Terminator)
	}
	if !c.AnsweredAt.IsZero() {
		at := c.AnsweredAt
		out.AnsweredAt = &at
		out.Talk = max(now.Sub(at), 0)
	}
	return out
}

// hangUp ends a running call.
func (r *Resolver) hangUp(ctx context.Context, in model.CallHangUpInput) (*model.CallHangUpPayload, error) {
	id, ok := model.ParseCallID(in.Call)
	var err error = events.NotFound("there is no call %.80q", in.Call).At("input.call")
	if ok {
		err = r.Backend.HangUp(ctx, id, auth.FromContext(ctx).Actor, or(in.Reason, ""))
	}
	if err != nil {
		mistakes, err := userErrors(err)
		return &model.CallHangUpPayload{UserErrors: mistakes}, err
	}
	global := model.CallID(id)
	return &model.CallHangUpPayload{CallID: &global, UserErrors: []*model.UserError{}}, nil
}
