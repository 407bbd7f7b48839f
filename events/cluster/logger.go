package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// logBurst is how many messages of the server are passed on in a second.
const logBurst = 20

// logger passes the server's messages on to slog, a bounded number of them a
// second: a full disk would otherwise fill it further.
type logger struct {
	out *slog.Logger

	mu      sync.Mutex
	second  int64
	passed  int
	dropped int
	fatal   string
}

func newLogger(out *slog.Logger) *logger {
	return &logger{out: out.With("component", "nats")}
}

func (l *logger) say(level slog.Level, format string, args []any) {
	ctx := context.Background()
	if !l.out.Enabled(ctx, level) {
		return
	}
	ok, dropped := l.take(time.Now().Unix())
	if dropped > 0 {
		l.out.Log(ctx, slog.LevelWarn, "messages of the server left out", "count", dropped)
	}
	if ok {
		l.out.Log(ctx, level, fmt.Sprintf(format, args...))
	}
}

// take says whether a message may pass in this second, and how many did not in
// the seconds before.
func (l *logger) take(second int64) (ok bool, dropped int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if second != l.second {
		dropped, l.dropped = l.dropped, 0
		l.second, l.passed = second, 0
	}
	if l.passed >= logBurst {
		l.dropped++
		return false, dropped
	}
	l.passed++
	return true, dropped
}

// Noticef logs at debug: the server tells its life story at this level.
func (l *logger) Noticef(format string, v ...any) { l.say(slog.LevelDebug, format, v) }

// Warnf logs at warn. That passwords are in plain text is no news: ours was drawn for
// this process and is written down nowhere.
func (l *logger) Warnf(format string, v ...any) {
	if !strings.HasPrefix(format, "Plaintext passwords") {
		l.say(slog.LevelWarn, format, v)
	}
}

// Fatalf logs at error and keeps the text for who starts the server: whether to end is
// the caller's decision.
func (l *logger) Fatalf(format string, v ...any) {
	l.mu.Lock()
	l.fatal = fmt.Sprintf(format, v...)
	l.mu.Unlock()
	l.say(slog.LevelError, format, v)
}

// gaveUp is why the server cannot go on, "" if it can.
func (l *logger) gaveUp() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}

// Errorf logs at error.
func (l *logger) Errorf(format string, v ...any) { l.say(slog.LevelError, format, v) }

// Debugf logs at debug.
func (l *logger) Debugf(format string, v ...any) { l.say(slog.LevelDebug, format, v) }

// Tracef logs at debug.
func (l *logger) Tracef(format string, v ...any) { l.say(slog.LevelDebug, format, v) }
