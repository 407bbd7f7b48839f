package server

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/sheet"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/gen"
	"github.com/tollbook/tollbook/graphql/resolve"
	"github.com/tollbook/tollbook/projections/history"
)

// listPage is how many rows of a list are read at once.
const listPage = 250

// exporting marks the pages of an export, which is paid for as a whole.
type exporting struct{}

// exportList streams any list of the API, as GET /export/list/accounts.csv does: see listed
// for the parameters. "columns" chooses some, "zone" shows times in a time zone.
func exportList(cfg Config, api http.Handler) http.Handler {
	schema := gen.NewExecutableSchema(gen.Config{}).Schema()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		viewer := auth.FromContext(r.Context())
		if viewer == nil {
			http.Error(w, resolve.ErrSignIn.Error(), http.StatusUnauthorized)
			return
		}
		ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), exporting{}, true), exportTime)
		defer cancel()
		name, xlsx := strings.CutSuffix(r.PathValue("file"), ".xlsx")
		name, isCSV := strings.CutSuffix(name, ".csv")
		if xlsx == isCSV {
			http.Error(w, "a list is exported as .csv or .xlsx", http.StatusNotFound)
			return
		}
		e, err := newListExport(schema, api, viewer, name, r.URL.Query())
		if err != nil {
			deny(w, cfg, r, err)
			return
		}
		first, err := e.page(ctx, nil)
		if err != nil {
			deny(w, cfg, r, err)
			return
		}
		w.Header().Set("Content-Type", tableType(xlsx))
		w.Header().Set("Content-Disposition", `attachment; filename="`+r.PathValue("file")+`"`)
		w.Header().Set("Cache-Control", "no-store")
		if err := e.write(ctx, w, xlsx, first, func(int) error { return nil }); err != nil {
			cfg.Log.WarnContext(ctx, "export: a list cut off", "list", name, "err", err)
			panic(http.ErrAbortHandler)
		}
	})
}

// rowWriter is a CSV file or a workbook.
type rowWriter interface {
	Row(cells []string, kinds []sheet.Kind) error
	Close() error
}

// listExport is one export under way.
type listExport struct {
	*list
	api   http.Handler
	zone  *time.Location
	zoned bool
}

func newListExport(schema *ast.Schema, api http.Handler, v *auth.Viewer, name string, params url.Values) (*listExport, error) {
	l, err := listed(schema, v, name, params)
	if err != nil {
		return nil, err
	}
	e := &listExport{list: l, api: api, zone: time.UTC}
	if text := params.Get("zone"); text != "" {
		if e.zone, err = time.LoadLocation(text); err != nil {
			return nil, events.Invalid("zone: %.60q is no time zone such as Europe/Riga", text)
		}
		e.zoned = true
	}
	return e, l.only(params.Get("columns"))
}

// tableType is the media type of an exported list.
func tableType(workbook bool) string {
	if workbook {
		return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	}
	return "text/csv; charset=utf-8"
}

func (e *listExport) head() (names []string) {
	for _, c := range e.columns {
		names = append(names, c.name())
	}
	return names
}

// listPageOf is one page of a list.
type listPageOf struct {
	PageInfo struct {
		HasNextPage bool
		EndCursor   *string
	}
	Nodes []map[string]any
	// Rows are a report's.
	Rows []map[string]any
}

// page asks the API for the page behind a cursor, in the viewer's name.
func (e *listExport) page(ctx context.Context, after *string) (*listPageOf, error) {
	e.variables["first"] = e.size
	if after != nil {
		e.variables["after"] = *after
	}
	said, err := ask(ctx, e.api, e.operation, e.variables)
	if err != nil {
		return nil, err
	}
	raw, missing := said[e.steps[0]], events.NotFound("there is no such list")
	for _, step := range e.steps[1:] {
		var inner map[string]json.RawMessage
		if err := json.Unmarshal(raw, &inner); err != nil {
			return nil, err
		}
		if inner == nil {
			return nil, missing
		}
		raw = inner[step]
	}
	page := &listPageOf{}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return page, d.Decode(page)
}

// ask puts a question to the API in the name of the context's viewer, and gives the
// answers by name.
func ask(ctx context.Context, api http.Handler, query string, variables map[string]any) (map[string]json.RawMessage, error) {
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "/graphql", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	answer := &memory{header: http.Header{}}
	api.ServeHTTP(answer, req)
	var said struct {
		Data   map[string]json.RawMessage
		Errors []struct {
			Message    string
			Extensions struct{ Code string }
		}
	}
	if err := json.Unmarshal(answer.body.Bytes(), &said); err != nil {
		return nil, fmt.Errorf("read the API's answer: %w", err)
	}
	if len(said.Errors) > 0 {
		return nil, events.Refuse(events.Code(said.Errors[0].Extensions.Code), "%s", said.Errors[0].Message)
	}
	return said.Data, nil
}

// write writes all rows, a page at a time, and says after each how many are written.
func (e *listExport) write(ctx context.Context, to io.Writer, workbook bool, page *listPageOf, wrote func(rows int) error) (err error) {
	kinds, cells := make([]sheet.Kind, len(e.columns)), make([]string, len(e.columns))
	var out rowWriter = csvRows{csv.NewWriter(to), e.zone, e.zoned}
	if workbook {
		out = sheet.NewWorkbook(to, e.head(), e.zone)
	} else if err := out.Row(e.head(), kinds); err != nil {
		return err
	}
	for i, c := range e.columns {
		kinds[i] = c.kind
	}
	for rows := 0; ; {
		for _, node := range append(page.Nodes, page.Rows...) {
			for i, c := range e.columns {
				cells[i] = leaf(node, c.path)
			}
			if err := out.Row(cells, kinds); err != nil {
				return err
			}
			rows++
		}
		if err := wrote(rows); err != nil {
			return err
		}
		if !page.PageInfo.HasNextPage {
			return out.Close()
		}
		if page, err = e.page(ctx, page.PageInfo.EndCursor); err != nil {
			return err
		}
	}
}

// leaf is the text of a value in an answer; lists of values are joined.
func leaf(node any, path []string) string {
	for _, name := range path {
		object, is := node.(map[string]any)
		if !is {
			return ""
		}
		node = object[name]
	}
	switch v := node.(type) {
	case nil:
		return ""
	case []any:
		var parts []string
		for _, part := range v {
			parts = append(parts, leaf(part, nil))
		}
		return strings.Join(parts, "; ")
	default:
		return fmt.Sprint(v)
	}
}

// csvRows are the rows of a CSV file.
type csvRows struct {
	*csv.Writer
	zone  *time.Location
	zoned bool
}

// Row disarms texts that a spreadsheet would run, and shows times in the zone.
func (c csvRows) Row(cells []string, kinds []sheet.Kind) error {
	fields := make([]string, len(cells))
	for i, cell := range cells {
		if at, err := time.Parse(time.RFC3339Nano, cell); c.zoned && kinds[i] == sheet.Instant && err == nil {
			cell = at.In(c.zone).Format(time.RFC3339Nano)
		}
		fields[i] = history.Cell(cell)
	}
	return c.Write(fields)
}

// Close writes what waits.
func (c csvRows) Close() error {
	c.Flush()
	return c.Error()
}

// memory is an answer that is read here.
type memory struct {
	header http.Header
	body   bytes.Buffer
}

func (m *memory) Header() http.Header         { return m.header }
func (m *memory) WriteHeader(int)             {}
func (m *memory) Write(b []byte) (int, error) { return m.body.Write(b) }
