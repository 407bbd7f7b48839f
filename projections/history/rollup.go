package history

import (
	"cmp"
	"context"
	"maps"
	"slices"
)

// hourUS is an hour in microseconds.
const hourUS = 3600 * 1000 * 1000

// rollupKey is what hourly sums are kept by.
type rollupKey struct {
	hourUS                                   int64
	direction                                Direction
	company, account, originator, terminator string
	prefix, destination, currency            string
	// marginCurrency is the base currency where sold and bought are of several.
	marginCurrency string
}

// rollupSum is one hour's sum of complete rows, or the change of it.
type rollupSum struct {
	attempts, answered, effective, rawMS, billedS int64
	pddUS, pddCount                               int64
	sell, tax, buy, margin                        int64
}

// totalKey names one of a day's totals.
type totalKey struct{ name, currency string }

// sums collects what a transaction changes in rollups and totals.
type sums struct {
	rollups map[rollupKey]*rollupSum
	totals  map[totalKey]int64
}

func newSums() *sums {
	return &sums{rollups: make(map[rollupKey]*rollupSum), totals: make(map[totalKey]int64)}
}

// add counts the rows of one call, or with sign -1 takes them back.
func (s *sums) add(rows []CDR, sign int64) {
	terminator := ""
	for i := range rows {
		if rows[i].Leg != 0 && rows[i].Answered {
			terminator = rows[i].Terminator
		}
	}
	for i := range rows {
		row := &rows[i]
		s.total(row, sign)
		if row.State == Pending {
			continue
		}
		through := row.Terminator
		if row.Leg == 0 {
			through = terminator
		}
		s.rollup(row, through, sign)
	}
}

// rollup counts a row in the hour in which its call began.
func (s *sums) rollup(row *CDR, terminator string, sign int64) {
	company, account := row.party()
	started := callTimeUS(row.Call)
	key := rollupKey{
		hourUS: started - started%hourUS, direction: row.Direction(),
		company: company, account: account, originator: row.Originator, terminator: terminator,
		prefix: row.Prefix, destination: row.Destination, currency: row.Currency,
		marginCurrency: cmp.Or(row.MarginCurrency, row.Currency),
	}
	sum := s.rollups[key]
	if sum == nil {
		sum = new(rollupSum)
		s.rollups[key] = sum
	}
	sum.attempts += sign
	if row.Answered {
		sum.answered += sign
	}
	if row.Answered || effective(row.SIPCode) {
		sum.effective += sign
	}
	sum.rawMS += sign * row.RawMS
	sum.billedS += sign * row.BilledS
	if row.PDDUS > 0 {
		sum.pddUS += sign * row.PDDUS
		sum.pddCount += sign
	}
	sum.tax += sign * row.TaxMicro
	if row.Leg != 0 {
		sum.buy += sign * row.NetMicro
		return
	}
	sum.sell += sign * row.NetMicro
	sum.margin += sign * row.MarginMicro
	if row.CostCurrency == row.Currency {
		sum.buy += sign * row.CostMicro
	}
}

// effective tells the answers of a person or his telephone from those of a
// network: they count as delivered in the NER.
func effective(code int64) bool {
	switch code {
	case 200, 480, 486, 487, 600, 603:
		return true
	}
	return false
}

// total counts a row in the day's totals.
func (s *sums) total(row *CDR, sign int64) {
	count := func(name string, is bool) {
		if is {
			s.totals[totalKey{name, ""}] += sign
		}
	}
	count("cdrs", true)
	count("pending", row.State == Pending)
	count("lost", row.State == Lost)
	if row.Leg != 0 {
		count("legs", true)
		return
	}
	count("attempts", true)
	count("answered", row.Answered)
	count("failed", row.State != Pending && !row.Answered)
	if row.Currency != "" {
		s.totals[totalKey{"charged", row.Currency}] += sign * row.GrossMicro
	}
	if row.CostCurrency != "" {
		s.totals[totalKey{"cost", row.CostCurrency}] += sign * row.CostMicro
	}
	if row.MarginCurrency != "" {
		s.totals[totalKey{"margin", row.MarginCurrency}] += sign * row.MarginMicro
	}
}

const addRollup = `INSERT INTO rollups (day, hour_us, direction, company, account, originator,
 terminator, prefix, destination, currency, margin_currency, attempts, answered, effective, raw_ms, billed_s,
 pdd_us, pdd_count, sell_micro, tax_micro, buy_micro, margin_micro)
 VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)
 ON CONFLICT DO UPDATE SET attempts = attempts + excluded.attempts,
 answered = answered + excluded.answered, effective = effective + excluded.effective,
 raw_ms = raw_ms + excluded.raw_ms, billed_s = billed_s + excluded.billed_s,
 pdd_us = pdd_us + excluded.pdd_us, pdd_count = pdd_count + excluded.pdd_count,
 sell_micro = sell_micro + excluded.sell_micro, tax_micro = tax_micro + excluded.tax_micro,
 buy_micro = buy_micro + excluded.buy_micro, margin_micro = margin_micro + excluded.margin_micro`

const addTotal = `INSERT INTO totals (name, currency, value) VALUES (?,?,?)
 ON CONFLICT DO UPDATE SET value = value + excluded.value`

// write adds the changes to a day's tables. Sums that fell to nothing are
// removed, so that the tables are a function of the events.
func (s *sums) write(ctx context.Context, w *writer, day Day) error {
	fell := false
	for _, key := range slices.SortedFunc(maps.Keys(s.rollups), rollupKey.compare) {
		sum := s.rollups[key]
		if *sum == (rollupSum{}) {
			continue
		}
		fell = fell || sum.attempts < 0
		err := w.exec(ctx, addRollup, string(day), key.hourUS, string(key.direction), key.company,
			key.account, key.originator, key.terminator, key.prefix, key.destination, key.currency, key.marginCurrency,
			sum.attempts, sum.answered, sum.effective, sum.rawMS, sum.billedS,
			sum.pddUS, sum.pddCount, sum.sell, sum.tax, sum.buy, sum.margin)
		if err != nil {
			return err
		}
	}
	for key, value := range s.totals {
		if value == 0 {
			continue
		}
		if err := w.exec(ctx, addTotal, key.name, key.currency, value); err != nil {
			return err
		}
		fell = fell || value < 0
	}
	if !fell {
		return nil
	}
	if err := w.exec(ctx, "DELETE FROM totals WHERE value = 0"); err != nil {
		return err
	}
	return s.sweep(ctx, w)
}

// sweep removes the rollups that this change emptied.
func (s *sums) sweep(ctx context.Context, w *writer) error {
	for key, sum := range s.rollups {
		if sum.attempts >= 0 {
			continue
		}
		err := w.exec(ctx, `DELETE FROM rollups WHERE hour_us = ? AND direction = ? AND account = ?
 AND originator = ? AND terminator = ? AND prefix = ? AND destination = ? AND currency = ? AND margin_currency = ?
 AND company = ? AND attempts = 0`, key.hourUS, string(key.direction), key.account,
			key.originator, key.terminator, key.prefix, key.destination, key.currency, key.marginCurrency, key.company)
		if err != nil {
			return err
		}
	}
	return nil
}

// compare is the order of the table's key, in which inserting is cheapest.
func (k rollupKey) compare(o rollupKey) int {
	return cmp.Or(
		cmp.Compare(k.hourUS, o.hourUS), cmp.Compare(k.direction, o.direction),
		cmp.Compare(k.account, o.account), cmp.Compare(k.originator, o.originator),
		cmp.Compare(k.terminator, o.terminator), cmp.Compare(k.prefix, o.prefix),
		cmp.Compare(k.destination, o.destination), cmp.Compare(k.currency, o.currency), cmp.Compare(k.marginCurrency, o.marginCurrency),
		cmp.Compare(k.company, o.company))
}
