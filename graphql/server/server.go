// Package server is the HTTP door of the switch: the API, the exports, the
// console and the signs of health.
package server

import (
	"context"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/sheet"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/resolve"
)

// Limits of a request.
const (
	queryTime   = 30 * time.Second
	queriesKept = 500
	exportTime  = time.Hour
	// importTime and maxImport are those of a request with a file, maxForm is what
	// of it is kept in memory; the rest goes to a temporary file.
	importTime = 5 * time.Minute
	maxImport  = sheet.MaxFile + 1<<20
	maxForm    = 8 << 20
)

// Config is what the server needs.
type Config struct {
	// Resolver answers the API.
	Resolver *resolve.Resolver
	// Door knows who asks.
	Door *auth.Door
	// Console holds the console's files: index.html and assets.
	Console fs.FS
	// Ready says why the node cannot serve calls, nil if it can. May be nil.
	Ready func(ctx context.Context) error
	// Metrics serves /metrics to admins and the NOC: people, or programs with a token.
	// May be nil.
	Metrics http.Handler
	// Backup writes all that the switch knows, its secrets' key included, for admins. May
	// be nil.
	Backup func(ctx context.Context, w io.Writer) error
	// Streams counts those who listen; its own if nil.
	Streams *Streams
	// Stopping is closed when the server stops: streams end then. May be nil.
	Stopping <-chan struct{}
	// Log hears of faults; the default logger if nil.
	Log *slog.Logger
}

// New makes the handler of everything that the node serves over HTTP.
func New(cfg Config) http.Handler {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Streams == nil {
		cfg.Streams = &Streams{}
	}
	cfg.Resolver.CheckExport = checkExport()
	mux := http.NewServeMux()
	for _, r := range routes(cfg) {
		mux.Handle(r.pattern, r.handler)
	}
	return headers(mux)
}

// route is a path that is served.
type route struct {
	pattern string
	handler http.Handler
}

// routes are all that is served; a test asks each of them as another tenant.
func routes(cfg Config) []route {
	r := newRates(cfg)
	in := func(scope wire.TokenScope, points int, h http.Handler) http.Handler {
		return cfg.Door.Middleware(r.reads(scope, points, h))
	}
	noted := newReads(cfg)
	asked := api(cfg, r, noted)
	list := []route{
		{"POST /graphql", cfg.Door.Middleware(timed(sized(counted(asked))))},
		{"GET /graphql", cfg.Door.Middleware(asked)},
		{"GET /export/list/{file}", cfg.Door.Middleware(r.paid(exportPoints, exportList(cfg, asked)))},
		{"GET " + resolve.JobsPath + "{job}", in(open, 100, jobFile(cfg))},
		{"GET /export/cdrs.csv", in(wire.TokenScope_TOKEN_SCOPE_CDRS, exportPoints, noted.export("cdrs", exportCDRs(cfg)))},
		{"GET /export/deck.csv", in(wire.TokenScope_TOKEN_SCOPE_RATES, exportPoints, exportDeck(cfg, false))},
		{"GET /export/deck.xlsx", in(wire.TokenScope_TOKEN_SCOPE_RATES, exportPoints, exportDeck(cfg, true))},
		{"GET " + resolve.InterconnectPath, in(wire.TokenScope_TOKEN_SCOPE_PEERS, 100, exportInterconnect(cfg))},
		{"GET " + resolve.FilesPath, in(wire.TokenScope_TOKEN_SCOPE_RECORDINGS, 100, &files{cfg: cfg})},
		{"GET /-/healthy", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "healthy") })},
		{"GET /-/ready", http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { ready(cfg, w, req) })},
		{"GET /", site(cfg.Console)},
	}
	if cfg.Backup != nil {
		list = append(list, route{"GET /backup", in(open, 0, backUp(cfg))})
	}
	if cfg.Metrics != nil {
		list = append(list, route{"GET /metrics", in(wire.TokenScope_TOKEN_SCOPE_METRICS, 0, forWatchers(cfg.Metrics))})
	}
	return list
}

// forWatchers lets only those through who watch the whole switch.
func forWatchers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch v := auth.FromContext(r.Context()); {
		case v == nil:
			http.Error(w, resolve.ErrSignIn.Error(), http.StatusUnauthorized)
		case v.Role != wire.Role_ROLE_ADMIN && v.Role != wire.Role_ROLE_NOC:
			http.Error(w, "only for admins and the NOC", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// api is the GraphQL handler with its limits.
func api(cfg Config, r *rates, more ...graphql.HandlerExtension) http.Handler {
	srv := handler.New(newCosted(cfg.Resolver))
	l := &listening{cfg: cfg, rates: r}
	srv.AddTransport(sockets{l})
	srv.AddTransport(sse{l})
	srv.AddTransport(transport.POST{})
	srv.AddTransport(transport.MultipartForm{MaxUploadSize: maxImport, MaxMemory: maxForm})
	srv.SetQueryCache(lru.New[*ast.QueryDocument](queriesKept))
	srv.SetParserTokenLimit(maxTokens)
	srv.SetErrorPresenter(resolve.Presenter(cfg.Log))
	srv.SetRecoverFunc(func(ctx context.Context, cause any) error {
		cfg.Log.ErrorContext(ctx, "graphql: panic", "cause", cause)
		return events.Refuse(events.CodeInternal, "internal error")
	})
	srv.SetDisableSuggestion(true) // they would tell strangers the schema
	srv.Use(newDocuments(cfg))
	srv.Use(&limits{})
	srv.Use(&scopes{})
	srv.Use(extension.FixedComplexityLimit(maxCost))
	srv.Use(r)
	for _, e := range more {
		srv.Use(e)
	}
	srv.AroundResponses(showCost)
	srv.AroundResponses(fewErrors)
	return srv
}

// hasFile says whether a request brings a file from somebody who may import one.
func hasFile(r *http.Request) bool {
	v := auth.FromContext(r.Context())
	return v != nil && (v.Role == wire.Role_ROLE_ADMIN || v.Role == wire.Role_ROLE_FINANCE) &&
		strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data")
}

func timed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wanted(r) && auth.FromContext(r.Context()) != nil {
			next.ServeHTTP(w, r) // a stream has limits of its own
			return
		}
		limit := queryTime
		if hasFile(r) {
			limit = importTime
			// A server without deadlines, as in a test, needs no others.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(limit))
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(limit))
		}
		ctx, cancel := context.WithTimeout(r.Context(), limit)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func ready(cfg Config, w http.ResponseWriter, r *http.Request) {
	if cfg.Ready != nil {
		if err := cfg.Ready(r.Context()); err != nil {
			writeText(w, http.StatusServiceUnavailable, err.Error())
			return
		}
	}
	writeText(w, http.StatusOK, "ready")
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// A client that is gone needs no answer.
	_, _ = w.Write([]byte(text + "\n"))
}
