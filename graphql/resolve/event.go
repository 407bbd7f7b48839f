package resolve

import (
	"context"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/model"
)

const (
	// maxLooked bounds the events that one page looks at, matching or not.
	maxLooked = 5000
	// lookAt is how many events are read at once.
	lookAt = 500
	// maxKinds bounds the kinds of a question.
	maxKinds = 30
	// bookCursor begins the cursors of the feed: the journal, then a position.
	bookCursor = "book/"
)

// Feed is what the book decided, as the API needs it.
type Feed interface {
	// Told are the book's events behind a position, in order, at most so many; fewer
	// only where the book, as far as it can be read, ends.
	Told(ctx context.Context, after events.Position, most int) ([]events.Recorded, error)
}

// eventFilter says which events are asked for.
type eventFilter struct {
	subject string
	kinds   []model.EventKind
}

func newEventFilter(subject *string, kinds []model.EventKind) (eventFilter, error) {
	f := eventFilter{kinds: kinds}
	if subject != nil {
		f.subject = *subject
	}
	if len(kinds) > maxKinds {
		return f, events.Invalid("at most %d kinds", maxKinds).At("kinds")
	}
	return f, nil
}

// Place is the position of a cursor of the feed; otherwise where there is none.
func Place(cursor string, otherwise events.Position) (events.Position, error) {
	key, err := decodeCursor(cursor)
	if err != nil || key == "" {
		return otherwise, err
	}
	text, ok := strings.CutPrefix(key, bookCursor)
	n, err := strconv.ParseUint(text, 10, 63)
	if !ok || err != nil {
		return 0, events.Invalid("%.40q is not a cursor of events", cursor)
	}
	return events.Position(n), nil
}

// PlaceCursor is the feed's cursor behind a position of the book.
func PlaceCursor(p events.Position) string {
	return encodeCursor(bookCursor + strconv.FormatUint(uint64(p), 10))
}

// eventsPage shows the events between two places. What is behind the views' position
// is not shown yet, so that whoever reads an event finds its entries and balances.
func (r *Resolver) eventsPage(ctx context.Context, s span, f eventFilter) (*model.Connection[model.Event], error) {
	asOf := r.asOf()
	low, err := Place(s.after, 0)
	if err != nil {
		return nil, err
	}
	high, err := Place(s.before, asOf.Position+1)
	if err != nil {
		return nil, err
	}
	high = min(high, asOf.Position+1)
	c := &model.Connection[model.Event]{AsOf: asOf}
	from, to := low+1, max(high, low+1) // what is looked at, half-open
	if s.backward {
		from, err = r.lookBack(ctx, f, low, to, s.limit, c)
	} else {
		to, err = r.lookOn(ctx, f, low, to, s.limit, c)
	}
	if err != nil {
		return nil, err
	}
	if from < to {
		start, end := PlaceCursor(from), PlaceCursor(to-1)
		c.PageInfo.StartCursor, c.PageInfo.EndCursor = &start, &end
	}
	c.PageInfo.HasPreviousPage, c.PageInfo.HasNextPage = from > 1, to <= asOf.Position
	return c, nil
}

// lookOn adds events behind low to a page, and gives the first position that it did
// not look at.
func (r *Resolver) lookOn(ctx context.Context, f eventFilter, low, high events.Position, limit int, c *model.Connection[model.Event]) (events.Position, error) {
	at := low
	for stop := min(high-1, low+maxLooked); at < stop; {
		told, err := r.Backend.Told(ctx, at, int(min(lookAt, stop-at)))
		if err != nil {
			return 0, err
		}
		if len(told) == 0 {
			break
		}
		for i := range told {
			at = events.Position(told[i].Position)
			if e := r.event(ctx, &told[i], f); e != nil {
				c.Edges = append(c.Edges, &model.Edge[model.Event]{Cursor: e.Cursor, Node: e})
			}
			if len(c.Edges) == limit {
				return at + 1, nil
			}
		}
	}
	return at + 1, nil
}

// lookBack puts events before high in front of a page, and gives the first position
// that it looked at.
func (r *Resolver) lookBack(ctx context.Context, f eventFilter, low, high events.Position, limit int, c *model.Connection[model.Event]) (events.Position, error) {
	from, bottom := high, low+1
	if high > maxLooked {
		bottom = max(bottom, high-maxLooked)
	}
	for from > bottom {
		begin := bottom
		if from > bottom+lookAt {
			begin = from - lookAt
		}
		told, err := r.Backend.Told(ctx, begin-1, int(from-begin))
		if err != nil {
			return 0, err
		}
		from = begin
		for i := range slices.Backward(told) {
			if e := r.event(ctx, &told[i], f); e != nil {
				c.Edges = append(c.Edges, &model.Edge[model.Event]{Cursor: e.Cursor, Node: e})
			}
			if len(c.Edges) == limit {
				from = events.Position(told[i].Position)
				break
			}
		}
		if len(c.Edges) == limit {
			break
		}
	}
	slices.Reverse(c.Edges)
	return from, nil
}

// listen sends every event behind a place, and then each as it comes.
func (r *Resolver) listen(ctx context.Context, after *string, f eventFilter) (<-chan *model.Event, error) {
	at, _ := r.Backend.AsOf()
	if after != nil {
		var err error
		if at, err = Place(*after, at); err != nil {
			return nil, err
		}
	}
	return follow(ctx, r, at, nil, func(rec *events.Recorded) *model.Event { return r.event(ctx, rec, f) }), nil
}

// event shows one event, nil if it does not match or is not the viewer's to see.
func (r *Resolver) event(ctx context.Context, rec *events.Recorded, f eventFilter) *model.Event {
	e := rec.Event
	kind := kindOf(e)
	if !kind.IsValid() || len(f.kinds) > 0 && !slices.Contains(f.kinds, kind) {
		return nil
	}
	call, accounts := about(e)
	var subjects []string
	for _, key := range accounts {
		item, ok := r.find(ctx, catalog.KindAccount, key)
		if ledger.IsOwn(key) || !ok {
			continue
		}
		for _, id := range []string{model.ID(catalog.KindAccount, key), model.ID(catalog.KindCompany, item.Entity.GetAccount().Company)} {
			if !slices.Contains(subjects, id) {
				subjects = append(subjects, id)
			}
		}
	}
	if !auth.FromContext(ctx).Staff() && (len(subjects) == 0 || kind == model.EventKindHoldPlaced) {
		return nil // how a hold goes on names no account, so partners have none of it
	}
	if len(call) == len(events.CallID{}) {
		subjects = append(subjects, model.CallID(events.CallID(call)))
	}
	if f.subject != "" && !slices.Contains(subjects, f.subject) {
		return nil
	}
	return &model.Event{
		ID: hex.EncodeToString(e.Id), Cursor: PlaceCursor(events.Position(rec.Position)), Position: events.Position(rec.Position),
		At: events.Instant(rec.TimeUS), EffectiveAt: events.Instant(e.EffectiveAtUs), Kind: kind, Actor: e.Actor,
		Subjects: append([]string{}, subjects...), Body: e,
	}
}

// kindOf is the name of an event's body, as the API has it.
func kindOf(e *wire.Event) model.EventKind {
	m := e.ProtoReflect()
	field := m.WhichOneof(m.Descriptor().Oneofs().ByName("body"))
	if field == nil {
		return ""
	}
	return model.EventKind(strings.ToUpper(string(field.Name())))
}

// about is which call an event is about, if any, and which accounts.
func about(e *wire.Event) (call []byte, accounts []string) {
	of := func(lines []*wire.PriceLine, postings []*wire.Posting) {
		for _, l := range lines {
			accounts = append(accounts, l.Account)
		}
		for _, p := range postings {
			accounts = append(accounts, p.Account)
		}
	}
	switch b := e.GetBody().(type) {
	case *wire.Event_MoneyPosted:
		of(nil, b.MoneyPosted.Postings)
	case *wire.Event_CallCharged:
		of(b.CallCharged.Lines, b.CallCharged.Postings)
		call = b.CallCharged.Call
	case *wire.Event_OfflineWrittenUp:
		of(b.OfflineWrittenUp.Lines, b.OfflineWrittenUp.Postings)
		call = b.OfflineWrittenUp.Call.GetCall()
	case *wire.Event_HoldPlaced:
		for _, l := range b.HoldPlaced.Lines {
			accounts = append(accounts, l.Payer)
		}
		call = b.HoldPlaced.Call
	case *wire.Event_HoldExtended:
		call = b.HoldExtended.Call
	case *wire.Event_RouteAdvanced:
		call = b.RouteAdvanced.Call
	case *wire.Event_HoldReleased:
		call = b.HoldReleased.Call
	case *wire.Event_HoldClaimed:
		call = b.HoldClaimed.Call
	case *wire.Event_ChargeContested:
		call = b.ChargeContested.Call
	case *wire.Event_AlertRaised:
		accounts = []string{b.AlertRaised.Account}
	case *wire.Event_AlertCleared:
		accounts = []string{b.AlertCleared.Account}
	case *wire.Event_PeriodClosed:
		accounts = []string{b.PeriodClosed.Account}
	}
	return call, accounts
}

// About names for a person what an event is about.
func About(e *wire.Event) string {
	call, accounts := about(e)
	words := slices.Compact(accounts)
	if id, err := events.CallIDFrom(call); err == nil {
		words = append(words, "call "+id.String())
	}
	if text := eventText(e); text != "" {
		words = append(words, text)
	}
	return strings.Join(words, ", ")
}

// eventText tells an event in a line.
func eventText(e *wire.Event) string {
	switch b := e.GetBody().(type) {
	case *wire.Event_MoneyPosted:
		return b.MoneyPosted.Reason
	case *wire.Event_ChangeSetAccepted:
		return b.ChangeSetAccepted.Note
	case *wire.Event_KeeperOpened:
		return b.KeeperOpened.Node
	default:
		return tellBook(e)
	}
}
