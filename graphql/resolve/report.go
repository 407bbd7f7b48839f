package resolve

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/model"
	"github.com/tollbook/tollbook/projections/history"
)

// MaxReport is the most rows that a report shows.
const MaxReport = 5000

// report sums CDRs; a partner gets his own side, without our cost and margin.
func (r *Resolver) report(ctx context.Context, filter model.ReportFilter, groupBy []model.ReportGroup, first int) (*model.Report, error) {
	if first < 1 || first > MaxReport {
		return nil, events.Invalid("a report shows 1 to %d rows", MaxReport).At("first")
	}
	v := auth.FromContext(ctx)
	out := &model.Report{Rows: []*model.ReportRow{}, Store: model.ReportStoreEmbedded, AsOf: r.asOf()}
	q, ok := reportQuery(v, filter)
	if !ok {
		return out, nil
	}
	for _, g := range groupBy {
		q.GroupBy = append(q.GroupBy, history.Group(strings.ToLower(string(g))))
	}
	rows, engine, err := r.CDRs.Report(ctx, q)
	if err != nil {
		return nil, asked(err)
	}
	out.Store = model.ReportStore(strings.ToUpper(string(engine)))
	for len(rows) > 0 && len(out.Rows) < first {
		n := 1 // rows that differ in nothing but the currency of the margin
		for n < len(rows) && alike(rows[n], rows[0]) {
			n++
		}
		out.Rows = append(out.Rows, reportRow(rows[:n], q, v.Staff()))
		rows = rows[n:]
	}
	out.More = len(rows) > 0
	return out, nil
}

func alike(a, b history.ReportRow) bool {
	a.MarginCurrency = b.MarginCurrency
	return a.Key() == b.Key()
}

// reportQuery is the filter as a question, false where no row can match.
func reportQuery(v *auth.Viewer, in model.ReportFilter) (q history.ReportQuery, ok bool) {
	var ids fields
	q.FromUS = events.Micros(in.From)
	if at := value(in.To); at != nil {
		q.ToUS = events.Micros(*at)
	}
	if q.Direction = history.Ingress; or(in.Direction, model.DirectionIngress) == model.DirectionEgress {
		q.Direction = history.Egress
	}
	ids.link("company", &q.Company, catalog.KindCompany, in.Company)
	ids.link("account", &q.Account, catalog.KindAccount, in.Account)
	ids.link("originator", &q.Originator, catalog.KindOriginator, in.Originator)
	ids.link("terminator", &q.Terminator, catalog.KindTerminator, in.Terminator)
	if ids.err != nil || v == nil {
		return q, false // an id of another kind is no row's
	}
	if !v.Staff() {
		if v.Company == "" || q.Company != "" && q.Company != v.Company {
			return q, false
		}
		q.Partner = v.Company
	}
	return q, true
}

// reportRow shows one sum of rows that are alike. Of a partner's rows only the money between
// him and us is his.
func reportRow(parts []history.ReportRow, q history.ReportQuery, staff bool) *model.ReportRow {
	row := parts[0]
	for _, part := range parts[1:] {
		row = row.Plus(part)
	}
	by := func(g history.Group) bool { return slices.Contains(q.GroupBy, g) }
	out := &model.ReportRow{
		Margins:  []*model.Money{},
		Attempts: int(row.Attempts), Answered: int(row.Answered),
		Talk: time.Duration(row.RawMS) * time.Millisecond, Billed: time.Duration(row.BilledS) * time.Second,
		CompanyID: model.OptionalID(catalog.KindCompany, row.Company), AccountID: model.OptionalID(catalog.KindAccount, row.Account),
		OriginatorID: model.OptionalID(catalog.KindOriginator, row.Originator), TerminatorID: model.OptionalID(catalog.KindTerminator, row.Terminator),
	}
	if by(history.ByHour) {
		out.Hour = instant(row.HourUS)
	}
	if day, err := time.Parse(time.DateOnly, string(row.Day)); err == nil {
		out.Day = &day
	}
	if by(history.ByPrefix) {
		out.Prefix = &row.Prefix
	}
	if by(history.ByDestination) {
		out.Destination = &row.Destination
	}
	if row.Attempts > 0 {
		asr, ner := model.Ratio(row.Answered, row.Attempts), model.Ratio(row.Effective, row.Attempts)
		out.Asr, out.Ner = &asr, &ner
	}
	if row.Answered > 0 {
		acd := time.Duration(row.ACDMS()) * time.Millisecond
		out.Acd = &acd
	}
	if row.PDDCount > 0 {
		pdd := time.Duration(row.MeanPDDUS()) * time.Microsecond
		out.Pdd = &pdd
	}
	if row.Currency == "" {
		return out
	}
	out.Currency = &row.Currency
	out.Tax = optional(row.TaxMicro, row.Currency)
	if q.Direction == history.Ingress {
		out.Sell = optional(row.SellMicro, row.Currency)
	}
	if staff || q.Direction == history.Egress {
		out.Buy = optional(row.BuyMicro, row.Currency)
	}
	if staff && q.Direction == history.Ingress {
		for _, part := range parts {
			out.Margins = append(out.Margins, optional(part.MarginMicro, part.MarginCurrency))
		}
	}
	return out
}
