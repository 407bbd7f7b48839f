package server

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/tollbook/tollbook/graphql/auth"
)

const (
	// usualPoints are what one viewer's questions may cost in a minute where neither the
	// settings nor his token say otherwise.
	usualPoints = 10_000_000
	// strangerPoints are those of an address that has not signed in.
	strangerPoints = 10_000
	// exportPoints is what an export costs: it may have any number of rows.
	exportPoints = 20_000
	// maxBuckets bounds those whose spending is remembered.
	maxBuckets = 20_000
)

// rates lets every viewer spend so many points a minute: as a bucket, which a minute
// fills.
type rates struct {
	cfg Config
	mu  sync.Mutex
	of  map[string]*bucket
}

type bucket struct {
	left float64
	at   time.Time
}

// spent is what became of one request's cost.
type spent struct {
	perMinute, left int
	// wait is when there will be enough points; 0 if there were.
	wait time.Duration
}

func newRates(cfg Config) *rates { return &rates{cfg: cfg, of: map[string]*bucket{}} }

// spend takes points off the viewer's. What costs more than a minute gives is let
// through when the bucket is full.
func (r *rates) spend(ctx context.Context, points int) spent {
	key, perMinute := r.who(ctx)
	now := r.cfg.Resolver.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.of[key]
	if b == nil {
		r.makeRoom(now)
		b = &bucket{left: float64(perMinute), at: now}
		r.of[key] = b
	}
	rate := float64(perMinute) / 60
	b.left = min(float64(perMinute), b.left+now.Sub(b.at).Seconds()*rate)
	b.at = now
	if need := min(float64(points), float64(perMinute)); b.left < need {
		wait := time.Duration(math.Ceil((need-b.left)/rate)) * time.Second
		return spent{perMinute: perMinute, left: int(b.left), wait: min(max(wait, time.Second), time.Minute)}
	}
	b.left -= float64(points)
	return spent{perMinute: perMinute, left: int(max(b.left, 0))}
}

// who is whose points are spent, and how many come in a minute.
func (r *rates) who(ctx context.Context) (key string, perMinute int) {
	v := auth.FromContext(ctx)
	if v == nil {
		address := ""
		if e := auth.ExchangeFrom(ctx); e != nil {
			address = e.Address
		}
		return "source:" + auth.SourceOf(address), strangerPoints
	}
	switch settings := r.cfg.Resolver.Backend.Catalog().Settings(); {
	case v.PointsPerMinute > 0:
		return v.Actor, int(v.PointsPerMinute)
	case settings.ApiPointsPerMinute > 0:
		return v.Actor, int(settings.ApiPointsPerMinute)
	default:
		return v.Actor, usualPoints
	}
}

// makeRoom forgets those whose bucket is full again, or else anybody.
func (r *rates) makeRoom(now time.Time) {
	if len(r.of) < maxBuckets {
		return
	}
	for k, b := range r.of {
		if now.Sub(b.at) >= time.Minute {
			delete(r.of, k)
		}
	}
	for k := range r.of {
		if len(r.of) < maxBuckets {
			break
		}
		delete(r.of, k)
	}
}

// ExtensionName names the extension in gqlgen's list.
func (*rates) ExtensionName() string { return "Rates" }

// Validate has nothing to check.
func (*rates) Validate(graphql.ExecutableSchema) error { return nil }

type spentKey struct{}

// MutateOperationContext charges for an operation, whose cost is known by now.
func (r *rates) MutateOperationContext(ctx context.Context, _ *graphql.OperationContext) *gqlerror.Error {
	if ctx.Value(exporting{}) != nil {
		return nil
	}
	points := 1
	if stats := extension.GetComplexityStats(ctx); stats != nil {
		points = max(stats.Complexity, 1)
	}
	s := r.spend(ctx, points)
	if to, ok := ctx.Value(spentKey{}).(*spent); ok {
		*to = s
	}
	if s.wait == 0 {
		return nil
	}
	err := gqlerror.Errorf("too many questions: %d points a minute are used up, wait %d seconds", s.perMinute, int(s.wait.Seconds()))
	errcode.Set(err, "RATE_LIMITED")
	return err
}

// counted remembers what a request spent, and says it with the status where it was
// too much.
func counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := &spent{}
		next.ServeHTTP(&limitedWriter{ResponseWriter: w, spent: s}, r.WithContext(context.WithValue(r.Context(), spentKey{}, s)))
	})
}

// limitedWriter answers 429 (RFC 6585) to who has no points left.
type limitedWriter struct {
	http.ResponseWriter
	spent *spent
	begun bool
}

func (w *limitedWriter) WriteHeader(status int) {
	if !w.begun && w.spent.wait > 0 {
		retryAfter(w.ResponseWriter, w.spent)
		status = http.StatusTooManyRequests
	}
	w.begun = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *limitedWriter) Write(b []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(b)
}

// Flush sends what there is, as streams of events want it.
func (w *limitedWriter) Flush() {
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// Unwrap is for http.ResponseController.
func (w *limitedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func retryAfter(w http.ResponseWriter, s *spent) {
	w.Header().Set("Retry-After", strconv.Itoa(int(s.wait.Seconds())))
}
