package server

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"path"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/gen"
)

// Exports writes lists of the API for jobs, in the name of those who began them.
type Exports struct {
	schema *ast.Schema
	api    http.Handler
}

// NewExports makes it of the same parts as the handler. Who reads money data by it is
// written down as by any other export.
func NewExports(cfg Config) *Exports {
	return &Exports{gen.NewExecutableSchema(gen.Config{}).Schema(), api(cfg, newRates(cfg), newReads(cfg))}
}

// open finds a list for somebody.
func (x *Exports) open(v *auth.Viewer, list string, parameters map[string]string) (*listExport, error) {
	params := url.Values{}
	for name, value := range parameters {
		params.Set(name, value)
	}
	return newListExport(x.schema, x.api, v, list, params)
}

// checkExport says whether there is a list with parameters for somebody; nothing is asked.
func checkExport() func(v *auth.Viewer, list string, parameters map[string]string) error {
	x := &Exports{schema: gen.NewExecutableSchema(gen.Config{}).Schema()}
	return func(v *auth.Viewer, list string, parameters map[string]string) error {
		_, err := x.open(v, list, parameters)
		return err
	}
}

// Write writes a list, and says after each page how many rows are written: an error of
// wrote ends it.
func (x *Exports) Write(ctx context.Context, v *auth.Viewer, list string, parameters map[string]string, workbook bool,
	to io.Writer, wrote func(rows int) error,
) error {
	e, err := x.open(v, list, parameters)
	if err != nil {
		return err
	}
	ctx = context.WithValue(auth.WithViewer(ctx, v), exporting{}, true)
	first, err := e.page(ctx, nil)
	if err != nil {
		return err
	}
	return e.write(ctx, to, workbook, first, wrote)
}

// jobFile serves the file of a job.
func jobFile(cfg Config) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		file, j, at, err := cfg.Resolver.OpenJob(r.Context(), r.PathValue("job"))
		if err != nil {
			deny(w, cfg, r, err)
			return
		}
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(fileTime)) // a test's server has none
		w.Header().Set("Content-Type", tableType(j.Workbook))
		w.Header().Set("Content-Disposition", `attachment; filename="`+j.List+path.Ext(j.File)+`"`)
		w.Header().Set("Cache-Control", "private, no-cache")
		http.ServeContent(w, r, "", at, file)
		if err := file.Close(); err != nil {
			cfg.Log.WarnContext(r.Context(), "files: close", "file", j.File, "err", err)
		}
	})
}
