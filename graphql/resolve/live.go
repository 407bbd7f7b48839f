package resolve

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
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
	slices.SortFunc(calls, newer)
	rows := make([]row[LiveCall], len(calls))
	for i, c := range calls {
		rows[i] = row[LiveCall]{newestFirst(c), c}
	}
	now := r.Now()
	return pageOf(rows, s, r.asOf(), func(c LiveCall) *model.LiveCall { return liveCall(c, viewer, now) })
}

func newer(a, b LiveCall) int {
	return cmp.Or(b.SetupAt.Compare(a.SetupAt), bytes.Compare(a.Call[:], b.Call[:]))
}

// sample is the running calls as they were a moment ago, for all who watch them: to list
// many calls for each listener would cost much.
type sample struct {
	mu    sync.Mutex
	at    time.Time
	calls []LiveCall // newest first, not to be changed
}

// sampleAge is how old a sample may be.
const sampleAge = watchEvery / 2

func (s *sample) newest(list func() []LiveCall) []LiveCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at.IsZero() || time.Since(s.at) > sampleAge {
		s.calls = slices.SortedFunc(slices.Values(list()), newer)
		s.at = time.Now() // not the books' clock: this is about work
	}
	return s.calls
}

// watchLive tells what becomes of the newest running calls.
func (r *Resolver) watchLive(ctx context.Context, first int) (<-chan *model.LiveCallsChange, error) {
	if first < 1 || first > maxPage {
		return nil, events.Invalid("1 to %d calls are shown", maxPage).At("first")
	}
	viewer := auth.FromContext(ctx)
	var known map[events.CallID]LiveCall // nil before the first answer
	hadMore := false
	return watch(ctx, func() (*model.LiveCallsChange, bool) {
		now, shown := r.Now(), make(map[events.CallID]LiveCall, len(known))
		c := &model.LiveCallsChange{Whole: known == nil, Calls: []*model.LiveCall{}, Gone: []string{}, AsOf: r.asOf()}
		for _, call := range r.sample.newest(r.Backend.LiveCalls) {
			if !viewer.Sees(call.Company) {
				continue
			}
			if c.More = len(shown) == first; c.More {
				break
			}
			if !viewer.Staff() { // that another vendor is tried is no change that he sees
				call.Terminator, call.VendorCompany = "", ""
			}
			if before, is := known[call.Call]; !is || before != call {
				c.Calls = append(c.Calls, liveCall(call, viewer, now))
			}
			shown[call.Call] = call
		}
		for id := range known {
			if _, is := shown[id]; !is {
				c.Gone = append(c.Gone, model.CallID(id))
			}
		}
		slices.Sort(c.Gone)
		changed := c.Whole || len(c.Calls)+len(c.Gone) > 0 || c.More != hadMore
		known, hadMore = shown, c.More
		return c, changed
	}), nil
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
