package history

import (
	"context"
	"fmt"
)

// Totals are counts and sums over everything that the store has ever held, the
// days that were dropped included. Money is micro-units by currency.
type Totals struct {
	// Attempts are calls of identified peers (leg 0), Answered those that were
	// answered, Failed those that ended without.
	Attempts int64
	Answered int64
	Failed   int64
	// CDRs are all rows, Legs those of them that are attempts at vendors.
	CDRs int64
	Legs int64
	// Pending rows wait for an end or a charge, Lost ones were never observed.
	Pending int64
	Lost    int64
	// Charged is gross, Cost and Margin are net.
	Charged map[string]int64
	Cost    map[string]int64
	Margin  map[string]int64
	// LedgerEntries are the postings of the book.
	LedgerEntries int64
}

// Totals returns the totals as of AsOf.
func (s *Store) Totals(ctx context.Context) (Totals, error) {
	t := Totals{Charged: map[string]int64{}, Cost: map[string]int64{}, Margin: map[string]int64{}}
	counts := map[string]*int64{
		"attempts": &t.Attempts, "answered": &t.Answered, "failed": &t.Failed, "cdrs": &t.CDRs,
		"legs": &t.Legs, "pending": &t.Pending, "lost": &t.Lost,
	}
	money := map[string]map[string]int64{"charged": t.Charged, "cost": t.Cost, "margin": t.Margin}
	all := func(Day) bool { return true }
	sums := question{text: "SELECT name, currency, sum(value) FROM totals WHERE 1%s GROUP BY name, currency"}
	err := s.eachSum(ctx, all, sums, []question{sums}, func(row scanner) error {
		var name, currency string
		var value int64
		if err := row.Scan(&name, &currency, &value); err != nil {
			return err
		}
		if count := counts[name]; count != nil {
			*count += value
		} else if sums := money[name]; sums != nil {
			sums[currency] += value
		}
		return nil
	})
	if err == nil {
		err = s.reader.QueryRowContext(ctx, "SELECT coalesce(sum(entries), 0) FROM balances").
			Scan(&t.LedgerEntries)
	}
	if err != nil {
		return Totals{}, fmt.Errorf("read totals: %w", err)
	}
	return t, nil
}
