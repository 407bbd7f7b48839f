package history

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// Period is a closed period of an account, half-open.
type Period struct {
	// Position is that of the event that closed it, ClosedAtUS when that was.
	Position   int64
	ClosedAtUS int64
	Actor      string
	Account    string
	Currency   string
	// FromUS and ToUS bound it, UTC microseconds; FromUS is 0 for the first.
	FromUS, ToUS int64
	// OpeningMicro is what the period before brought forward, ClosingMicro what this
	// one does: opening + credits + debits.
	OpeningMicro, ClosingMicro int64
	CreditsMicro, DebitsMicro  int64
	// Entries counts what was posted, Late those of them that count in a period that
	// was closed already.
	Entries, Late int64
	// After counts those that count after the period's end and stood in the book
	// before it was closed, AfterMicro is their sum.
	After, AfterMicro int64
	// StateHash is the hash of the whole book before the period closed, in hexadecimal.
	StateHash string
}

// Cursor names the period for Page.After and Page.Before.
func (p *Period) Cursor() string { return pairCursor('p', p.ToUS, p.Position) }

// PeriodPage is one page of periods, newest first.
type PeriodPage struct {
	Rows []Period
	PageInfo
}

const periodColumns = `to_us, position, account, currency, from_us, closed_at_us, actor, opening_micro, closing_micro,
 credits_micro, debits_micro, entries, late, after, after_micro, state_hash`

func scanPeriod(row scanner) (p Period, err error) {
	return p, row.Scan(&p.ToUS, &p.Position, &p.Account, &p.Currency, &p.FromUS, &p.ClosedAtUS, &p.Actor, &p.OpeningMicro,
		&p.ClosingMicro, &p.CreditsMicro, &p.DebitsMicro, &p.Entries, &p.Late, &p.After, &p.AfterMicro, &p.StateHash)
}

// Periods returns one page of an account's closed periods, or of all accounts' if
// account is empty, newest first.
func (s *Store) Periods(ctx context.Context, account string, page Page) (PeriodPage, error) {
	var c condition
	c.when(account != "", "account = ?", account)
	rows, more, err := bookPage(ctx, s.reader, bookQuery[Period]{
		columns: periodColumns, table: "periods", key: "to_us, position", cursor: 'p', scan: scanPeriod,
	}, c, page)
	if err != nil {
		return PeriodPage{}, fmt.Errorf("query periods: %w", err)
	}
	result := PeriodPage{Rows: rows, PageInfo: page.info(more)}
	if len(rows) > 0 {
		result.Start, result.End = rows[0].Cursor(), rows[len(rows)-1].Cursor()
	}
	return result, nil
}

// PeriodAt is the period that was closed at a position of the book, or ErrNotFound.
func (s *Store) PeriodAt(ctx context.Context, position int64) (Period, error) {
	p, err := scanPeriod(s.reader.QueryRowContext(ctx, "SELECT "+periodColumns+" FROM periods WHERE position = ?", position))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return p, fmt.Errorf("read period closed at %d: %w", position, err)
	}
	return p, nil
}

// OfflineUse is what a node's offline calls of an account came to, as far as they
// are written up.
type OfflineUse struct {
	Account, Node string
	// Calls counts them; AmountMicro is what those cost that had ended.
	Calls, AmountMicro int64
	// Number is that of the node's last one, TimeUS when it was written up.
	Number, TimeUS int64
}

// OfflineUses are those of an account, by node.
func (s *Store) OfflineUses(ctx context.Context, account string) ([]OfflineUse, error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT account, node, calls, amount_micro, number, time_us
 FROM offline WHERE account = ? ORDER BY node`, account)
	all, err := collect(rows, err, func(row scanner) (u OfflineUse, err error) {
		return u, row.Scan(&u.Account, &u.Node, &u.Calls, &u.AmountMicro, &u.Number, &u.TimeUS)
	})
	if err != nil {
		return nil, fmt.Errorf("read offline calls of %s: %w", account, err)
	}
	return all, nil
}

// since is what was posted on an account since its last period closed.
type since struct{ credits, debits, count, late int64 }

// add counts a posting; the answer is 1 for a late one.
func (s *since) add(p *wire.Posting) (late int64) {
	if p.GetAmountMicro() > 0 {
		s.credits += p.GetAmountMicro()
	} else {
		s.debits += p.GetAmountMicro()
	}
	if p.GetLate() {
		late = 1
	}
	s.count++
	s.late += late
	return late
}

// period writes the row of a closed period, and begins the next one.
func (l *tally) period(ctx context.Context, r events.Recorded, p *wire.PeriodClosed) error {
	at, err := l.balance(ctx, balanceKey{p.GetAccount(), p.GetCurrency()})
	if err != nil {
		return err
	}
	sum := at.since
	at.since = since{}
	after, afterMicro, err := l.after(ctx, p)
	if err != nil {
		return err
	}
	return l.w.exec(ctx, "INSERT INTO periods ("+periodColumns+") VALUES ("+placeholders(16)+")",
		p.GetToUs(), int64(r.Position), p.GetAccount(), p.GetCurrency(), p.GetFromUs(), r.TimeUS, r.Event.GetActor(),
		at.posted-sum.credits-sum.debits, p.GetBalanceMicro(), sum.credits, sum.debits, sum.count, sum.late, after, afterMicro,
		hex.EncodeToString(p.GetStateHash()))
}

// after sums up what was posted in a period and counts after its end.
func (l *tally) after(ctx context.Context, p *wire.PeriodClosed) (count, micro int64, err error) {
	err = l.w.query(ctx, `SELECT count(*), coalesce(sum(amount_micro), 0) FROM entries
 WHERE account = ? AND position > (SELECT coalesce(max(position), 0) FROM periods WHERE account = ?) AND effective_at_us >= ?`,
		[]driver.Value{p.GetAccount(), p.GetAccount(), p.GetToUs()}, func(v []driver.Value) error {
			count, micro = v[0].(int64), v[1].(int64)
			return nil
		})
	return count, micro, err
}

// offline counts a call that a node let through by itself.
func (l *tally) offline(ctx context.Context, r events.Recorded, u *wire.OfflineWrittenUp) error {
	payer := u.GetCall().GetPayer()
	if payer == "" || !u.GetBooked() && u.GetHold() == nil {
		return nil
	}
	amount := int64(0)
	for _, p := range u.GetPostings() {
		if p.GetAccount() == payer {
			amount -= p.GetAmountMicro()
		}
	}
	return l.w.exec(ctx, `INSERT INTO offline (account, node, calls, amount_micro, number, time_us) VALUES (?,?,1,?,?,?)
 ON CONFLICT (account, node) DO UPDATE SET calls = calls + 1, amount_micro = amount_micro + excluded.amount_micro,
 number = excluded.number, time_us = excluded.time_us`,
		payer, u.GetNode(), amount, int64(u.GetCall().GetNumber()), r.TimeUS)
}
