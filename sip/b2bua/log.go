package b2bua

import (
	"context"
	"log/slog"

	"github.com/tollbook/tollbook/events"
)

// callLog names a call in what is logged of it. Most calls have nothing to say, so
// nothing is written down before.
type callLog struct {
	slog.Handler
	id   events.CallID
	peer string
}

// Handle adds the call's name.
func (l callLog) Handle(ctx context.Context, r slog.Record) error {
	r = r.Clone()
	r.AddAttrs(slog.String("call_id", l.id.String()), slog.String("peer", l.peer))
	return l.Handler.Handle(ctx, r)
}

// WithAttrs keeps the call's name.
func (l callLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	l.Handler = l.Handler.WithAttrs(attrs)
	return l
}

// WithGroup keeps the call's name.
func (l callLog) WithGroup(name string) slog.Handler {
	l.Handler = l.Handler.WithGroup(name)
	return l
}
