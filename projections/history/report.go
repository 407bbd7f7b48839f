package history

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const rollupColumns = `day, hour_us, direction, company, account, originator, terminator,
 prefix, destination, currency, margin_currency, attempts, answered, effective, raw_ms, billed_s,
 pdd_us, pdd_count, sell_micro, tax_micro, buy_micro, margin_micro`

// rollupWidth is the number of rollupColumns.
const rollupWidth = 22

// Group is what a report's rows are summed by.
type Group string

// The groups that a report knows.
const (
	ByHour        Group = "hour"
	ByDay         Group = "day"
	ByCompany     Group = "company"
	ByAccount     Group = "account"
	ByOriginator  Group = "originator"
	ByTerminator  Group = "terminator"
	ByPrefix      Group = "prefix"
	ByDestination Group = "destination"
)

// ReportQuery asks for sums of complete CDRs.
type ReportQuery struct {
	// FromUS and ToUS bound the hours in which calls began: UTC microseconds,
	// rounded down to hours, half-open, 0 is open.
	FromUS, ToUS int64
	GroupBy      []Group
	// Direction is Ingress (calls of customers, also if empty) or Egress (attempts at vendors).
	Direction Direction
	// The others choose rows as in Filter; on ingress rows the terminator is the
	// one that answered. A Partner is a company that sees its own sums without our cost
	// and margin, and cannot ask for the other side of its calls.
	Company    string
	Partner    string
	Account    string
	Originator string
	Terminator string
}

// ReportRow is one sum. Money is in micro-units of Currency: rows of different
// currencies are never added.
type ReportRow struct {
	// HourUS and Day to Destination are filled if the report is grouped by them.
	HourUS      int64
	Day         Day
	Company     string
	Account     string
	Originator  string
	Terminator  string
	Prefix      string
	Destination string
	Currency    string
	// MarginCurrency is that of MarginMicro: the base currency for legs that were sold and
	// bought in two.
	MarginCurrency string

	Attempts int64
	Answered int64
	// Effective are attempts that were answered, or refused by a person or his
	// telephone: the numerator of the NER.
	Effective int64
	// RawMS is talk time, BilledS billed seconds.
	RawMS   int64
	BilledS int64
	// PDDUS is the sum of the post-dial delays of PDDCount legs.
	PDDUS    int64
	PDDCount int64
	// SellMicro and BuyMicro are net, TaxMicro is the row's own side's tax.
	SellMicro   int64
	TaxMicro    int64
	BuyMicro    int64
	MarginMicro int64
}

// ASRMilli is answered per attempt in thousandths.
func (r *ReportRow) ASRMilli() int64 { return ratio(r.Answered*1000, r.Attempts) }

// NERMilli is effective per attempt in thousandths.
func (r *ReportRow) NERMilli() int64 { return ratio(r.Effective*1000, r.Attempts) }

// ACDMS is the mean talk time of answered legs in milliseconds.
func (r *ReportRow) ACDMS() int64 { return ratio(r.RawMS, r.Answered) }

// MeanPDDUS is the mean post-dial delay in microseconds.
func (r *ReportRow) MeanPDDUS() int64 { return ratio(r.PDDUS, r.PDDCount) }

func ratio(a, b int64) int64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// Report sums hourly rollups. Rows come ordered by their groups, then currency and that of the margin.
func (s *Store) Report(ctx context.Context, q ReportQuery) ([]ReportRow, error) {
	open, settled, err := q.questions()
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	sums := make(map[ReportRow]ReportRow)
	err = s.eachSum(ctx, q.takes, open, settled, func(row scanner) error {
		r, err := q.Read(row.Scan)
		if err != nil {
			return err
		}
		sums[r.Key()] = r.Plus(sums[r.Key()])
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return slices.SortedFunc(maps.Values(sums), CompareReport), nil
}

// questions are the report as one question to the file of a day, and as some to the sums of
// settled days: whole days are asked for where they are added up, if hours are not wanted.
func (q ReportQuery) questions() (open question, settled []question, err error) {
	put := func(table string, fromUS, toUS int64) (asked question) {
		if toUS != 0 && fromUS >= toUS {
			return asked
		}
		q.FromUS, q.ToUS = fromUS, toUS
		var failed error
		if asked.text, asked.args, failed = q.sql(table, "0"); failed != nil {
			err = failed
		}
		settled = append(settled, asked)
		return asked
	}
	const dayUS = 24 * hourUS
	from, to := q.FromUS, q.ToUS
	first, last := (max(0, from-from%hourUS)+dayUS-1)/dayUS*dayUS, to-to%dayUS
	if slices.Contains(q.GroupBy, ByHour) || to > 0 && first >= last {
		return put("rollups", from, to), settled, err
	}
	open = put("rollups", from, to)
	settled = nil
	if first > 0 {
		put("rollups", from, first)
	}
	put("daily", first, last)
	if last > 0 {
		put("rollups", last, to)
	}
	return open, settled, err
}

// takes says whether a day can have rows for the report.
func (q ReportQuery) takes(day Day) bool {
	return (q.FromUS <= 0 || day >= DayOf(q.FromUS)) && (q.ToUS <= 0 || day <= DayOf(q.ToUS))
}

// SQL is the report as a question to a ClickHouse server, whose columns have the same
// names; Read reads its rows.
func (q ReportQuery) SQL(table string) (string, []any, error) {
	text, args, err := q.sql(table, "toInt64(0)")
	return fmt.Sprintf(text, ""), args, err
}

// Read reads one row of a report.
func (q ReportQuery) Read(scan func(...any) error) (r ReportRow, err error) {
	var day string
	err = scan(&r.HourUS, &day, &r.Company, &r.Account, &r.Originator, &r.Terminator,
		&r.Prefix, &r.Destination, &r.Currency, &r.MarginCurrency, &r.Attempts, &r.Answered, &r.Effective,
		&r.RawMS, &r.BilledS, &r.PDDUS, &r.PDDCount, &r.SellMicro, &r.TaxMicro,
		&r.BuyMicro, &r.MarginMicro)
	r.Day = Day(day)
	if q.Partner != "" && q.Direction != Egress {
		r.BuyMicro, r.MarginMicro = 0, 0
	}
	return r, err
}

// sql is the only place where a report becomes SQL. none is a zero as wide as an hour.
func (q ReportQuery) sql(table, none string) (string, []any, error) {
	direction := cmp.Or(q.Direction, Ingress)
	if direction != Ingress && direction != Egress {
		return "", nil, fmt.Errorf("direction %q: %w", q.Direction, ErrInvalid)
	}
	if q.Partner != "" && q.otherSide(direction) {
		return "", nil, fmt.Errorf("a company's report by the other side: %w", ErrInvalid)
	}
	order := []Group{ByHour, ByDay, ByCompany, ByAccount, ByOriginator, ByTerminator, ByPrefix, ByDestination}
	columns := map[Group]string{ByHour: "hour_us"}
	var fields, keys []string
	for _, group := range order {
		column := cmp.Or(columns[group], string(group))
		switch {
		case slices.Contains(q.GroupBy, group):
			fields, keys = append(fields, column), append(keys, column)
		case group == ByHour:
			fields = append(fields, none)
		default:
			fields = append(fields, "''")
		}
	}
	for _, group := range q.GroupBy {
		if !slices.Contains(order, group) {
			return "", nil, fmt.Errorf("group %q: %w", group, ErrInvalid)
		}
	}
	c := condition{}
	c.when(true, "direction = ?", string(direction))
	c.when(q.FromUS > 0, "hour_us >= ?", q.FromUS-q.FromUS%hourUS)
	c.when(q.ToUS > 0, "hour_us < ?", q.ToUS)
	c.when(q.Company != "", "company = ?", q.Company)
	c.when(q.Partner != "", "company = ?", q.Partner)
	c.when(q.Account != "", "account = ?", q.Account)
	c.when(q.Originator != "", "originator = ?", q.Originator)
	c.when(q.Terminator != "", "terminator = ?", q.Terminator)
	text := "SELECT " + strings.Join(fields, ", ") + `, currency, margin_currency, sum(attempts), sum(answered),
 sum(effective), sum(raw_ms), sum(billed_s), sum(pdd_us), sum(pdd_count), sum(sell_micro),
 sum(tax_micro), sum(buy_micro), sum(margin_micro) FROM ` + table + c.where() +
		"%s GROUP BY " + strings.Join(append(keys, "currency", "margin_currency"), ", ")
	return text, c.args, nil
}

// otherSide says that the question tells vendors from customers' calls, or
// customers from calls to a vendor.
func (q ReportQuery) otherSide(direction Direction) bool {
	if direction == Ingress {
		return q.Terminator != "" || slices.Contains(q.GroupBy, ByTerminator)
	}
	return q.Originator != "" || slices.Contains(q.GroupBy, ByOriginator)
}

// Key is the row without its sums.
func (r ReportRow) Key() ReportRow {
	return ReportRow{HourUS: r.HourUS, Day: r.Day, Company: r.Company, Account: r.Account,
		Originator: r.Originator, Terminator: r.Terminator, Prefix: r.Prefix,
		Destination: r.Destination, Currency: r.Currency, MarginCurrency: r.MarginCurrency}
}

// Minus takes another row's sums away.
func (r ReportRow) Minus(o ReportRow) ReportRow {
	r.Attempts -= o.Attempts
	r.Answered -= o.Answered
	r.Effective -= o.Effective
	r.RawMS -= o.RawMS
	r.BilledS -= o.BilledS
	r.PDDUS -= o.PDDUS
	r.PDDCount -= o.PDDCount
	r.SellMicro -= o.SellMicro
	r.TaxMicro -= o.TaxMicro
	r.BuyMicro -= o.BuyMicro
	r.MarginMicro -= o.MarginMicro
	return r
}

// Plus adds another row's sums.
func (r ReportRow) Plus(o ReportRow) ReportRow {
	r.Attempts += o.Attempts
	r.Answered += o.Answered
	r.Effective += o.Effective
	r.RawMS += o.RawMS
	r.BilledS += o.BilledS
	r.PDDUS += o.PDDUS
	r.PDDCount += o.PDDCount
	r.SellMicro += o.SellMicro
	r.TaxMicro += o.TaxMicro
	r.BuyMicro += o.BuyMicro
	r.MarginMicro += o.MarginMicro
	return r
}

// CompareReport is the order of a report's rows: by their groups, then currency.
func CompareReport(a, b ReportRow) int {
	return cmp.Or(
		cmp.Compare(a.HourUS, b.HourUS), cmp.Compare(a.Day, b.Day),
		cmp.Compare(a.Company, b.Company), cmp.Compare(a.Account, b.Account),
		cmp.Compare(a.Originator, b.Originator), cmp.Compare(a.Terminator, b.Terminator),
		cmp.Compare(a.Prefix, b.Prefix), cmp.Compare(a.Destination, b.Destination),
		cmp.Compare(a.Currency, b.Currency), cmp.Compare(a.MarginCurrency, b.MarginCurrency))
}
