package resolve

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/model"
	"github.com/tollbook/tollbook/projections/history"
	"github.com/tollbook/tollbook/projections/stores"
)

// cdrs shows a page of CDRs; a partner gets the rows of his own company, with
// what he may not see left out.
func (r *Resolver) cdrs(ctx context.Context, in *model.CdrFilter, s span) (*model.Connection[model.Cdr], error) {
	connection := &model.Connection[model.Cdr]{AsOf: r.asOf()}
	filter, ok := CdrFilter(auth.FromContext(ctx), in)
	if !ok {
		return connection, nil
	}
	page, err := r.CDRs.CDRs(ctx, filter, s.page())
	if err != nil {
		return nil, asked(err)
	}
	for i := range page.Rows {
		row := &page.Rows[i]
		connection.Edges = append(connection.Edges, &model.Edge[model.Cdr]{Cursor: row.Cursor(), Node: cdr(row)})
	}
	connection.PageInfo = model.PageInfo{HasNextPage: page.HasNext, HasPreviousPage: page.HasPrevious}
	bound(connection)
	return connection, nil
}

// page is the span as the history takes it: its cursors are its own.
func (s span) page() history.Page {
	if s.backward {
		return history.Page{Last: s.limit, Before: s.before}
	}
	return history.Page{First: s.limit, After: s.after}
}

// CdrFilter is the filter of a viewer's query, false where no row can match: it
// names what is somebody else's, or nothing at all. The CSV export uses the same.
func CdrFilter(v *auth.Viewer, in *model.CdrFilter) (f history.Filter, ok bool) {
	if in == nil {
		in = &model.CdrFilter{}
	}
	var ids fields
	if at := value(in.From); at != nil {
		f.FromUS = events.Micros(*at)
	}
	if at := value(in.To); at != nil {
		f.ToUS = events.Micros(*at)
	}
	ids.link("account", &f.Account, catalog.KindAccount, in.Account)
	ids.link("company", &f.Company, catalog.KindCompany, in.Company)
	ids.link("originator", &f.Originator, catalog.KindOriginator, in.Originator)
	ids.link("terminator", &f.Terminator, catalog.KindTerminator, in.Terminator)
	f.Caller, f.Called = number(or(in.Caller, "")), number(or(in.Called, ""))
	f.Answered, f.Recorded = value(in.Answered), value(in.Recorded)
	f.SIPCode, f.Prefix = int64(or(in.SipCode, 0)), or(in.Prefix, "")
	if d := value(in.Direction); d != nil {
		f.Direction = history.Direction(strings.ToLower(string(*d)))
	}
	if st := value(in.State); st != nil {
		f.State = history.State(strings.ToLower(string(*st)))
	}
	if id := value(in.CallID); id != nil {
		if f.Call, ok = model.ParseCallID(*id); !ok {
			return f, false
		}
	}
	if v == nil || !v.Staff() {
		if v == nil || v.Company == "" || f.Company != "" && f.Company != v.Company {
			return f, false
		}
		f.Partner = v.Company
	}
	return f, ids.err == nil // an id of another kind is no row's
}

// number is a number's start as people type it, without a plus or blanks.
func number(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '+' || c == ' ' {
			return -1
		}
		return c
	}, s)
}

// cdr finds one CDR that the viewer may see.
func (r *Resolver) cdr(ctx context.Context, call string, leg int) (*model.Cdr, error) {
	id, ok := model.ParseCallID(call)
	if !ok || leg < 0 {
		return nil, nil
	}
	row, err := r.CDRs.CDR(ctx, id, int64(leg))
	if errors.Is(err, history.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, asked(err)
	}
	shown, ok := shownTo(auth.FromContext(ctx), row)
	if !ok {
		return nil, nil
	}
	return cdr(&shown), nil
}

// shownTo is a row as a viewer may see it.
func shownTo(v *auth.Viewer, row history.CDR) (history.CDR, bool) {
	switch {
	case v == nil:
		return row, false
	case v.Staff():
		return row, true
	default:
		return row.ForPartner(v.Company)
	}
}

// asked turns the history's word for a malformed question into the domain's.
func asked(err error) error {
	if errors.Is(err, history.ErrInvalid) {
		return events.Invalid("%v", err)
	}
	if errors.Is(err, stores.ErrAway) {
		return events.Refuse(events.CodeUnavailable, "%v", err)
	}
	return err
}

// cdr shows a row, in which nothing is left that the viewer may not see.
func cdr(c *history.CDR) *model.Cdr {
	id := c.Call
	out := &model.Cdr{
		ID: model.CdrID(id, int(c.Leg)), CallID: model.CallID(id), Leg: int(c.Leg),
		Direction: model.Direction(strings.ToUpper(string(c.Direction()))),
		State:     model.CdrState(strings.ToUpper(string(c.State))), Node: c.Node,
		CustomerCompanyID: model.OptionalID(catalog.KindCompany, c.CustomerCompany),
		CustomerAccountID: model.OptionalID(catalog.KindAccount, c.CustomerAccount),
		OriginatorID:      model.OptionalID(catalog.KindOriginator, c.Originator),
		VendorCompanyID:   model.OptionalID(catalog.KindCompany, c.VendorCompany),
		VendorAccountID:   model.OptionalID(catalog.KindAccount, c.VendorAccount),
		TerminatorID:      model.OptionalID(catalog.KindTerminator, c.Terminator),
		RouteID:           model.OptionalID(catalog.KindRoute, c.Route),
		Caller:            c.Caller, Called: c.Called, CallerName: c.CallerName,
		CallerRouted: c.CallerRouted, CalledRouted: c.CalledRouted, SipCallID: c.SIPCallID,
		SetupAt: events.Instant(c.SetupUS), RingingAt: instant(c.RingingUS),
		AnsweredAt: instant(c.AnsweredUS), EndedAt: instant(c.EndedUS),
		Talk: time.Duration(c.RawMS) * time.Millisecond, Answered: c.Answered,
		SipCode: int(c.SIPCode), Q850: int(c.Q850), Cause: c.Cause, Reason: c.Reason, Last: c.Last,
		EndedBy: endedBy(c.EndedBy), Price: cdrPrice(c), Media: media(c), Codec: c.Codec,
		Late: c.Late, Offline: c.Offline, Emergency: c.Emergency,
		Recorded: c.Recorded, Captured: c.Captured,
		MediaAddress: c.MediaAddress, SignallingAddress: c.Remote, UserAgent: c.UserAgent,
	}
	if c.PDDUS > 0 {
		pdd := time.Duration(c.PDDUS) * time.Microsecond
		out.Pdd = &pdd
	}
	if c.CostCurrency != "" {
		out.Cost = optional(c.CostMicro, c.CostCurrency)
	}
	if c.MarginCurrency != "" {
		out.Margin = optional(c.MarginMicro, c.MarginCurrency)
	}
	if c.OverrunMicro != 0 {
		out.Overrun = optional(c.OverrunMicro, c.Currency)
	}
	return out
}

func optional(micro int64, currency string) *model.Money {
	m := amount(micro, currency)
	return &m
}

// instant is a time that may not have come; 0 is never.
func instant(us int64) *time.Time {
	if us == 0 {
		return nil
	}
	t := events.Instant(us)
	return &t
}

func endedBy(word string) *model.EndedBy {
	if word == "" {
		return nil
	}
	by := model.EndedBy(strings.ToUpper(word))
	return &by
}

func cdrPrice(c *history.CDR) *model.CdrPrice {
	if c.Side == "" {
		return nil
	}
	return &model.CdrPrice{
		Side: model.Side(strings.ToUpper(c.Side)), AccountID: model.OptionalID(catalog.KindAccount, c.BilledAccount),
		DeckID: model.OptionalID(catalog.KindDeck, c.Deck), DeckVersion: int(c.DeckVersion),
		Prefix: c.Prefix, Destination: c.Destination, Billed: time.Duration(c.BilledS) * time.Second,
		PackageID: model.OptionalID(catalog.KindAccount, c.Package), PackageSeconds: int(c.PackageS),
		PriceFirst: model.Nano(c.PriceFirstNano), PriceNext: model.Nano(c.PriceNextNano),
		DeckCurrency: c.DeckCurrency, ExchangeRate: exchanged(c.ExchangeE12),
		Net: amount(c.NetMicro, c.Currency), Tax: amount(c.TaxMicro, c.Currency), Gross: amount(c.GrossMicro, c.Currency),
	}
}

// exchanged is an exchange rate, nil where there was none.
func exchanged(e12 int64) *model.Decimal {
	if e12 == 0 {
		return nil
	}
	rate := model.Pico(e12)
	return &rate
}
