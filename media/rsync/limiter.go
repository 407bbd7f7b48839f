package rsync

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// Limiter bounds the bytes a second of all that goes through it. A nil one does not.
type Limiter struct {
	rate int64

	mu sync.Mutex
	// next is when what has been let through so far will be paid for.
	next time.Time
}

// piece is what goes through at once.
const piece = 32 << 10

// NewLimiter lets so many bytes a second through; 0 is no limit.
func NewLimiter(bytes int64) *Limiter {
	if bytes <= 0 {
		return nil
	}
	return &Limiter{rate: bytes}
}

// wait pays for n bytes.
func (l *Limiter) wait(ctx context.Context, n int) error {
	l.mu.Lock()
	now := time.Now()
	if l.next.Before(now) {
		l.next = now
	}
	l.next = l.next.Add(time.Duration(n) * time.Second / time.Duration(l.rate))
	pause := l.next.Sub(now)
	l.mu.Unlock()
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Reader reads within the limit.
func (l *Limiter) Reader(ctx context.Context, from io.Reader) io.Reader {
	if l == nil {
		return from
	}
	return &limited{ctx, l, from}
}

type limited struct {
	ctx  context.Context
	l    *Limiter
	from io.Reader
}

func (r *limited) Read(p []byte) (int, error) {
	n, err := r.from.Read(p[:min(len(p), piece)])
	if n > 0 {
		if waited := r.l.wait(r.ctx, n); waited != nil {
			return n, waited
		}
	}
	return n, err
}

// Conn is a connection that is read within the limit.
func (l *Limiter) Conn(ctx context.Context, conn net.Conn) net.Conn {
	if l == nil {
		return conn
	}
	return &limitedConn{conn, l.Reader(ctx, conn)}
}

type limitedConn struct {
	net.Conn
	in io.Reader
}

func (c *limitedConn) Read(p []byte) (int, error) { return c.in.Read(p) }
