package server

import (
	"errors"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/resolve"
	"github.com/tollbook/tollbook/media/archive"
)

// files serves recordings and captures by name, whole or in ranges (RFC 9110, 14), to
// those who may have them. Who was given one stands in the audit.
type files struct {
	cfg Config

	mu    sync.Mutex
	given map[string]time.Time
}

const (
	// Requests for the same file by the same person within this time are one hearing:
	// a player asks for many ranges.
	hearing = 10 * time.Minute
	// maxGiven bounds the hearings that are remembered; beyond it each request is said.
	maxGiven = 10_000
	// fileTime bounds a download.
	fileTime = time.Hour
)

func (h *files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	viewer := auth.FromContext(ctx)
	if viewer == nil {
		http.Error(w, resolve.ErrSignIn.Error(), http.StatusUnauthorized)
		return
	}
	text := strings.TrimPrefix(r.URL.Path, resolve.FilesPath)
	key := viewer.Actor + " " + text
	file, name, at, err := h.cfg.Resolver.OpenFile(ctx, text, h.first(key))
	if err != nil {
		h.forget(key)
		h.deny(w, r, err)
		return
	}
	// A client that is gone, or a server without deadlines, as in a test, needs none.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(fileTime))
	kind, how := "audio/wav", "inline"
	if name.Kind == archive.Capture {
		kind, how = "application/vnd.tcpdump.pcap", "attachment"
	}
	if r.URL.Query().Has("download") {
		how = "attachment"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", how+`; filename="`+path.Base(name.String())+`"`)
	w.Header().Set("Cache-Control", "private, no-cache")
	http.ServeContent(w, r, "", at, file)
	if err := file.Close(); err != nil {
		h.cfg.Log.WarnContext(ctx, "files: close", "file", name.String(), "err", err)
	}
}

// first tells whether a hearing begins.
func (h *files) first(key string) bool {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if at, ok := h.given[key]; ok && now.Sub(at) < hearing {
		return false
	}
	if len(h.given) >= maxGiven {
		for k, at := range h.given {
			if now.Sub(at) >= hearing {
				delete(h.given, k)
			}
		}
	}
	if h.given == nil {
		h.given = map[string]time.Time{}
	}
	if len(h.given) < maxGiven {
		h.given[key] = now
	}
	return true
}

func (h *files) forget(key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.given, key)
}

func (h *files) deny(w http.ResponseWriter, r *http.Request, err error) {
	switch code := events.CodeOf(err); code {
	case events.CodeNotFound:
		http.Error(w, err.Error(), http.StatusNotFound)
	case events.CodeUnavailable:
		w.Header().Set("Retry-After", "10")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		if !errors.Is(err, r.Context().Err()) {
			h.cfg.Log.ErrorContext(r.Context(), "files: not served", "err", err)
		}
		http.Error(w, "internal error", http.StatusInternalServerError)
	}
}
