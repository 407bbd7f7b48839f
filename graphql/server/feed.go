package server

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/resolve"
)

// feedQuery is what webhooks show of an event; what a person is told of it is for staff.
const feedQuery = `query ($first: Int!, $after: Cursor, $kinds: [EventKind!], $staff: Boolean!) {
  events(first: $first, after: $after, kinds: $kinds) {
    pageInfo { hasNextPage endCursor }
    nodes {
      id cursor position at effectiveAt kind actor subjects text @include(if: $staff)
      entries { id position kind account { id } amount { amount currency } balance { amount currency } effectiveAt callId reference reverses }
    }
  }
}`

// Feed is the API's list of events for those to whom the node brings it.
type Feed struct{ api http.Handler }

// NewFeed makes one of the same parts as the handler, but for the notes of who reads money
// data: who gets what stands in the webhooks.
func NewFeed(cfg Config) *Feed { return &Feed{api(cfg, newRates(cfg))} }

// FeedPage is a part of the feed.
type FeedPage struct {
	// Events are as the API shows them, Positions where they stand in the book.
	Events    []json.RawMessage
	Positions []events.Position
	// Counts says that there is one among them that is more than a node's own note, such as
	// that of how far it has come with this feed.
	Counts bool
	// End is the position behind which the feed goes on, and More says that it does.
	End  events.Position
	More bool
}

// Page is the part of the feed behind a position that a company may see, or staff, if
// none is named. Kinds are the API's names; none is all.
func (f *Feed) Page(ctx context.Context, actor, company string, kinds []string, after events.Position, most int) (FeedPage, error) {
	viewer := &auth.Viewer{Actor: actor, Role: wire.Role_ROLE_FINANCE}
	if company != "" {
		viewer.Role, viewer.Company = wire.Role_ROLE_PARTNER, company
	}
	ctx = context.WithValue(auth.WithViewer(ctx, viewer), exporting{}, true)
	page := FeedPage{End: after}
	answer, err := ask(ctx, f.api, feedQuery, map[string]any{
		"first": most, "after": resolve.PlaceCursor(after), "kinds": kinds, "staff": company == "",
	})
	if err != nil {
		return page, err
	}
	var said struct {
		Nodes    []json.RawMessage
		PageInfo struct {
			HasNextPage bool
			EndCursor   *string
		}
	}
	if err := json.Unmarshal(answer["events"], &said); err != nil {
		return page, err
	}
	page.Events, page.More = said.Nodes, said.PageInfo.HasNextPage
	for _, raw := range said.Nodes {
		var e struct {
			Position    events.Position `json:",string"`
			Actor, Kind string
		}
		if err := json.Unmarshal(raw, &e); err != nil {
			return page, err
		}
		page.Counts = page.Counts || !strings.HasPrefix(e.Actor, "node:") || e.Kind != "CHANGE_SET_ACCEPTED"
		page.Positions = append(page.Positions, e.Position)
	}
	if said.PageInfo.EndCursor != nil {
		page.End, err = resolve.Place(*said.PageInfo.EndCursor, after)
	}
	return page, err
}
