package resolve

import (
	"encoding/base64"
	"sort"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/graphql/model"
)

// maxPage is the most rows of one page.
const maxPage = 500

// maxCursor bounds a cursor, in bytes.
const maxCursor = 200

// span is which part of a list a query asks for.
type span struct {
	// limit is the page's size, 1 to maxPage.
	limit int
	// backward takes the page from the end of the list.
	backward bool
	// after and before are the cursors as they came, "" for none.
	after, before string
}

// newSpan checks the four arguments of a connection.
func newSpan(first *int, after *string, last *int, before *string) (span, error) {
	var s span
	switch {
	case first != nil && last != nil, first == nil && last == nil:
		return s, events.Invalid("one of first and last is required").At("first")
	case first != nil:
		s.limit = *first
	default:
		s.limit, s.backward = *last, true
	}
	if s.limit < 1 || s.limit > maxPage {
		return s, events.Invalid("a page has 1 to %d rows", maxPage).At("first")
	}
	if after != nil {
		s.after = *after
	}
	if before != nil {
		s.before = *before
	}
	return s, nil
}

func encodeCursor(key string) string { return base64.RawURLEncoding.EncodeToString([]byte(key)) }

func decodeCursor(cursor string) (string, error) {
	if cursor == "" {
		return "", nil
	}
	key, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(key) > maxCursor {
		return "", events.Invalid("%.40q is not a cursor", cursor)
	}
	return string(key), nil
}

// row is something in a list that lies in memory, with the key that it is
// sorted by.
type row[T any] struct {
	key  string
	node T
}

// pageOf cuts a page out of rows, which are sorted by rising key, and makes its
// nodes. A cursor is a key, so it stays good when rows come and go.
func pageOf[S, T any](rows []row[S], s span, asOf model.AsOf, convert func(S) *T) (*model.Connection[T], error) {
	after, err := decodeCursor(s.after)
	if err != nil {
		return nil, err
	}
	before, err := decodeCursor(s.before)
	if err != nil {
		return nil, err
	}
	from, to := 0, len(rows)
	if after != "" {
		from = sort.Search(len(rows), func(i int) bool { return rows[i].key > after })
	}
	if before != "" {
		to = max(from, sort.Search(len(rows), func(i int) bool { return rows[i].key >= before }))
	}
	if to-from > s.limit {
		if s.backward {
			from = to - s.limit
		} else {
			to = from + s.limit
		}
	}
	c := &model.Connection[T]{AsOf: asOf, PageInfo: model.PageInfo{HasPreviousPage: from > 0, HasNextPage: to < len(rows)}}
	for _, r := range rows[from:to] {
		c.Edges = append(c.Edges, &model.Edge[T]{Cursor: encodeCursor(r.key), Node: convert(r.node)})
	}
	bound(c)
	return c, nil
}

// bound writes the cursors of the first and the last row into the page's info.
func bound[T any](c *model.Connection[T]) {
	if n := len(c.Edges); n > 0 {
		c.PageInfo.StartCursor, c.PageInfo.EndCursor = &c.Edges[0].Cursor, &c.Edges[n-1].Cursor
	}
}
