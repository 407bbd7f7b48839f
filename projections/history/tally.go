package history

import (
	"cmp"
	"context"
	"database/sql/driver"
	"maps"
	"slices"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// balancesKept bounds the balances that a store keeps in memory: those of accounts
// with calls are asked for in nearly every batch.
const balancesKept = 50_000

// tally writes the entries of one batch and carries the balances along.
type tally struct {
	w *writer
	// balances are those of the table, and moved those that this batch changed.
	balances map[balanceKey]*balance
	moved    map[balanceKey]bool
}

type balanceKey struct{ account, currency string }

type balance struct {
	posted, entries int64
	position        uint64
	// since is what was posted since the account's last period closed.
	since since
}

// newTally begins a batch with the balances that the ones before left. They are to be
// forgotten when its transaction fails.
func newTally(w *writer, balances map[balanceKey]*balance) *tally {
	if len(balances) > balancesKept {
		clear(balances)
	}
	return &tally{w: w, balances: balances, moved: make(map[balanceKey]bool)}
}

// posted is what the postings of one event have in common.
type posted struct {
	kind, reason, reference string
	call                    []byte
	effectiveUS             int64
	reverses                uint64
	postings                []*wire.Posting
}

// apply writes the entries of an event that moves money.
func (l *tally) apply(ctx context.Context, r events.Recorded) error {
	p := posted{call: []byte{}, effectiveUS: r.Event.GetEffectiveAtUs()}
	switch body := r.Event.GetBody().(type) {
	case *wire.Event_MoneyPosted:
		m := body.MoneyPosted
		p.kind, p.reason, p.reference = kindName(m.GetKind()), m.GetReason(), m.GetReference()
		p.reverses, p.postings = m.GetReverses(), m.GetPostings()
	case *wire.Event_CallCharged:
		c := body.CallCharged
		p.kind, p.postings = "charge", c.GetPostings()
		if id, ok := callIDFrom(c.GetCall()); ok {
			p.call = id[:]
		}
		if p.effectiveUS == 0 {
			p.effectiveUS = c.GetAnsweredAtUs()
		}
	case *wire.Event_OfflineWrittenUp:
		u := body.OfflineWrittenUp
		p.kind, p.postings = "offline", u.GetPostings()
		if id, ok := callIDFrom(u.GetCall().GetCall()); ok {
			p.call = id[:]
		}
		if err := l.offline(ctx, r, u); err != nil {
			return err
		}
	case *wire.Event_PeriodClosed:
		return l.period(ctx, r, body.PeriodClosed)
	default:
		return nil
	}
	if p.effectiveUS == 0 {
		p.effectiveUS = r.TimeUS
	}
	for i, posting := range p.postings {
		if err := l.entry(ctx, r, p, i, posting); err != nil {
			return err
		}
	}
	return nil
}

// entry writes one posting and the balance after it.
func (l *tally) entry(ctx context.Context, r events.Recorded, p posted, i int, posting *wire.Posting) error {
	at, err := l.balance(ctx, balanceKey{posting.GetAccount(), posting.GetCurrency()})
	if err != nil {
		return err
	}
	at.posted += posting.GetAmountMicro()
	at.entries++
	at.position = r.Position
	late := at.since.add(posting)
	return l.w.exec(ctx, `INSERT INTO entries (position, idx, account, currency, time_us,
 effective_at_us, kind, amount_micro, balance_after_micro, call, reason, reference, actor, reverses, late)
 VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
		int64(r.Position), int64(i), posting.GetAccount(), posting.GetCurrency(), r.TimeUS,
		p.effectiveUS, p.kind, posting.GetAmountMicro(), at.posted, p.call,
		p.reason, p.reference, r.Event.GetActor(), int64(p.reverses), late)
}

// balance returns an account's balance as of the last entry, to be changed.
func (l *tally) balance(ctx context.Context, key balanceKey) (*balance, error) {
	l.moved[key] = true
	if at := l.balances[key]; at != nil {
		return at, nil
	}
	at := new(balance)
	err := l.w.query(ctx,
		`SELECT posted_micro, entries, position, credits_micro, debits_micro, count, late
 FROM balances WHERE account = ? AND currency = ?`,
		[]driver.Value{key.account, key.currency}, func(v []driver.Value) error {
			at.posted, at.entries, at.position = v[0].(int64), v[1].(int64), uint64(v[2].(int64))
			at.since = since{v[3].(int64), v[4].(int64), v[5].(int64), v[6].(int64)}
			return nil
		})
	l.balances[key] = at
	return at, err
}

// close writes the balances that the batch left.
func (l *tally) close(ctx context.Context) error {
	for _, key := range slices.SortedFunc(maps.Keys(l.moved), balanceKey.compare) {
		at := l.balances[key]
		err := l.w.exec(ctx, `INSERT OR REPLACE INTO balances
 (account, currency, posted_micro, entries, position, credits_micro, debits_micro, count, late)
 VALUES (?,?,?,?,?,?,?,?,?)`, key.account, key.currency, at.posted, at.entries, int64(at.position),
			at.since.credits, at.since.debits, at.since.count, at.since.late)
		if err != nil {
			return err
		}
	}
	return nil
}

func (k balanceKey) compare(o balanceKey) int {
	return cmp.Or(cmp.Compare(k.account, o.account), cmp.Compare(k.currency, o.currency))
}

// kindName is a posting kind in a finance department's words.
func kindName(kind wire.PostingKind) string {
	switch kind {
	case wire.PostingKind_POSTING_KIND_CREDIT:
		return "credit"
	case wire.PostingKind_POSTING_KIND_DEBIT:
		return "debit"
	case wire.PostingKind_POSTING_KIND_FORCED_DEBIT:
		return "forced_debit"
	case wire.PostingKind_POSTING_KIND_REVERSAL:
		return "reversal"
	case wire.PostingKind_POSTING_KIND_TRANSFER:
		return "transfer"
	case wire.PostingKind_POSTING_KIND_CREDIT_NOTE:
		return "credit_note"
	case wire.PostingKind_POSTING_KIND_DEBIT_NOTE:
		return "debit_note"
	case wire.PostingKind_POSTING_KIND_ADJUSTMENT:
		return "adjustment"
	}
	return ""
}
