package resolve

import (
	"context"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/model"
	"github.com/tollbook/tollbook/projections/history"
)

// media shows the quality of a CDR's leg, nil where nothing came.
func media(c *history.CDR) *model.MediaQuality {
	if c.Packets == 0 && c.MOSCenti == 0 && c.Rejected == 0 {
		return nil
	}
	q := &c.Quality
	out := &model.MediaQuality{
		Packets: int(c.Packets), Lost: int(c.LostPkts), Jitter: time.Duration(c.JitterUS) * time.Microsecond, Mos: mos(c.MOSCenti),
		Duplicates: int(c.Duplicates), Reordered: int(c.Reordered), Gaps: int(q.Gaps), DtmfEvents: int(q.DTMFEvents),
		JitterMs: ms(c.JitterUS), MeanJitterMs: ms(q.MeanJitterUS), MaxJitterMs: ms(q.MaxJitterUS),
		LongestSilence: time.Duration(q.LongestSilenceMS) * time.Millisecond,
		RttMs:          known(q.RTTUS), MaxRttMs: known(q.MaxRTTUS), Codec: c.Codec, Srtp: q.SRTP,
		Dropped: model.DroppedPackets{
			Source: int(q.DroppedSource), Malformed: int(q.DroppedMalformed), NoPeer: int(q.DroppedNoPeer),
			Send: int(q.DroppedSend), Auth: int(q.DroppedAuth), Replay: int(q.DroppedReplay),
		},
	}
	if q.Reported > 0 {
		out.Reported = &model.ReportedQuality{
			Reports: int(q.Reported), Lost: int(q.ReportedLost), JitterMs: ms(q.ReportedJitterUS),
			Discarded: model.Micro(q.ReportedDiscarded * 1_000_000 / 256),
		}
		if q.ReportedMOSCenti > 0 {
			heard := mos(q.ReportedMOSCenti)
			out.Reported.Mos = &heard
		}
	}
	return out
}

// ms is a time in milliseconds.
func ms(us int64) model.Decimal { return model.Decimal{Units: us, Places: 3} }

// known is the same of a time that is 0 where nobody knows it.
func known(us int64) *model.Decimal {
	if us == 0 {
		return nil
	}
	d := ms(us)
	return &d
}

func mos(centi int64) model.Decimal { return model.Decimal{Units: centi, Places: 2} }

// quality shows what is received on a leg now, as a CDR will have it.
func quality(q *wire.MediaQuality) *model.MediaQuality {
	if q == nil {
		return nil
	}
	row := history.Measured(q)
	row.Codec = q.Codec
	return media(&row)
}

// liveMedia asks for the media of a running call. A node that does not answer, and a
// call without media, are no mistakes of who asks.
func (r *Resolver) liveMedia(ctx context.Context, c *model.LiveCall) (*model.LiveMedia, error) {
	id, ok := model.ParseCallID(c.ID)
	if !ok {
		return nil, nil
	}
	m, err := r.Backend.LiveMedia(ctx, id)
	switch events.CodeOf(err) {
	case events.CodeNotFound, events.CodeUnavailable:
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := &model.LiveMedia{At: r.Now(), A: quality(m.A)}
	if auth.FromContext(ctx).Staff() {
		out.B = quality(m.B)
	}
	return out, nil
}

// liveCallOf finds a running call that the viewer may see.
func (r *Resolver) liveCallOf(ctx context.Context, call string) (*model.LiveCall, error) {
	id, ok := model.ParseCallID(call)
	if !ok {
		return nil, nil
	}
	viewer := auth.FromContext(ctx)
	for _, c := range r.Backend.LiveCalls() {
		if c.Call == id && viewer.Sees(c.Company) {
			return liveCall(c, viewer, r.Now()), nil
		}
	}
	return nil, nil
}
