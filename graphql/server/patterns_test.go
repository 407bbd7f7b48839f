package server

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/resolve"
)

// Patterns are the paths that a server with everything serves.
func Patterns() []string {
	var out []string
	for _, r := range routes(Config{
		Resolver: &resolve.Resolver{}, Door: auth.New(auth.Config{}), Metrics: http.NotFoundHandler(),
		Backup: func(context.Context, io.Writer) error { return nil },
	}) {
		out = append(out, r.pattern)
	}
	return out
}

// Impatient are streams whose listeners have so long to read what is sent.
func Impatient(d time.Duration) *Streams { return &Streams{patience: d} }
