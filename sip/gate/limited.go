package gate

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// perSecond is how many lines of the SIP stack are logged in a second. It logs
// whole messages that it cannot read, which whoever sends them could use.
const perSecond = 5

// limited passes on a bounded number of records a second, cut short.
type limited struct {
	next slog.Handler

	mu     sync.Mutex
	second int64
	passed int
}

// Enabled passes on what is at least a warning.
func (l *limited) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && l.next.Enabled(ctx, level)
}

// Handle passes a record on, or leaves it out.
func (l *limited) Handle(ctx context.Context, r slog.Record) error {
	l.mu.Lock()
	if now := time.Now().Unix(); now != l.second {
		l.second, l.passed = now, 0
	}
	l.passed++
	over := l.passed > perSecond
	l.mu.Unlock()
	if over {
		return nil
	}
	short := slog.NewRecord(r.Time, r.Level, "sip: "+r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		if s := a.Value.String(); len(s) > 200 {
			a = slog.String(a.Key, s[:200]+"…")
		}
		short.AddAttrs(a)
		return true
	})
	return l.next.Handle(ctx, short)
}

// WithAttrs keeps the limit.
func (l *limited) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &limited{next: l.next.WithAttrs(attrs)}
}

// WithGroup keeps the limit.
func (l *limited) WithGroup(name string) slog.Handler {
	return &limited{next: l.next.WithGroup(name)}
}
