// Package ledger is the money half of the book's state: what has been posted to
// each account, what running calls hold, and which commands were accepted. It
// decides, and folds what was decided, without I/O, clock or randomness. A State
// belongs to one goroutine at a time.
package ledger

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/wire"
)

// ClosedFor is how long a closed call is remembered, so that a repeated charge
// is recognised: 24 hours of block time, in microseconds.
const ClosedFor = 24 * 3600 * 1_000_000

// Account is what the ledger knows of one account.
type Account struct {
	ID       string
	Currency money.Currency
	// Posted is the sum of the account's postings, Held that of its open holds.
	Posted, Held money.Amount
	// Calls counts its open holds.
	Calls int

	// member is what the account adds to the ledger's hash as it was when it was
	// last counted; stale says that it has changed since.
	member events.Sum
	stale  bool
}

// Hold is one call that was let through and is not closed.
type Hold struct {
	*wire.HoldPlaced
	Position   events.Position
	PlacedAtUS int64
}

// PaidUntilUS is the latest instant at which the paid time of the call can end, in
// microseconds UTC: a call that was answered at once ends earlier.
func (h *Hold) PaidUntilUS() int64 { return h.ExpiresAtUs - graceUS }

// Closed is what is kept of a closed call.
type Closed struct {
	Figures, Contested string
	AtUS               int64
	Position           events.Position
	Gross, Cost, Over  money.Amount
}

// Known is an accepted command of a person or a partner.
type Known struct {
	Key        events.Key
	InputsHash string
	Position   events.Position
	Postings   []*wire.Posting
	Reversed   bool
}

// State is the ledger at one position.
type State struct {
	accounts    map[string]*Account
	holds       map[events.CallID]*Hold
	closed      map[events.CallID]*Closed
	queue       []events.CallID // closed calls by the time of their closing
	keys        map[events.Key]*Known
	postedAt    map[events.Position]*Known
	raised      map[alertKey]*wire.AlertRaised
	periods     map[string]*wire.PeriodClosed // the last closed one of each account
	offline     map[string]uint64             // the last number of each node's offline calls
	peerCalls   map[string]int                // open holds by originator, and by originator and limited prefix
	vendorCalls map[string]int                // open holds by the terminator that they have a channel of
	sums        map[money.Currency]money.Amount
	sum         events.Sum
	stale       []*Account // changed since the hash was last asked for
	scratch     scratch
}

// New is the ledger before the first event.
func New() *State {
	return &State{
		accounts: map[string]*Account{}, holds: map[events.CallID]*Hold{}, closed: map[events.CallID]*Closed{},
		keys: map[events.Key]*Known{}, postedAt: map[events.Position]*Known{},
		raised: map[alertKey]*wire.AlertRaised{}, periods: map[string]*wire.PeriodClosed{}, offline: map[string]uint64{}, peerCalls: map[string]int{}, vendorCalls: map[string]int{}, sums: map[money.Currency]money.Amount{},
	}
}

// Balance is an account's state; all zero for one that nothing was posted to.
func (s *State) Balance(id string) Account {
	if a, ok := s.accounts[id]; ok {
		return *a
	}
	return Account{ID: id}
}

// Accounts calls fn for every account that was ever posted to or held on.
func (s *State) Accounts(fn func(Account)) {
	for _, a := range s.accounts {
		fn(*a)
	}
}

// Hold finds the open hold of a call.
func (s *State) Hold(id events.CallID) (*Hold, bool) {
	h, ok := s.holds[id]
	return h, ok
}

// Holds calls fn for every open hold.
func (s *State) Holds(fn func(events.CallID, *Hold)) {
	for id, h := range s.holds {
		fn(id, h)
	}
}

// Closed finds a call that was closed within the last day.
func (s *State) Closed(id events.CallID) (Closed, bool) {
	if c, ok := s.closed[id]; ok {
		return *c, true
	}
	return Closed{}, false
}

// Key finds an accepted command.
func (s *State) Key(k events.Key) (Known, bool) {
	if e, ok := s.keys[k]; ok {
		return *e, true
	}
	return Known{}, false
}

// PeerCalls counts an originator's open holds.
func (s *State) PeerCalls(originator string) int { return s.peerCalls[originator] }

// PrefixCalls counts an originator's open holds that a prefix limit counts.
func (s *State) PrefixCalls(originator, prefix string) int {
	return s.peerCalls[prefixCalls(originator, prefix)]
}

// prefixCalls is the key of a limited prefix; no originator's id has a space in it.
func prefixCalls(originator, prefix string) string { return originator + " " + prefix }

// counted are the counters that a hold's line stands in.
func counted(l *wire.HoldLine, count func(key string)) {
	count(l.Originator)
	for _, p := range l.LimitPrefixes {
		count(prefixCalls(l.Originator, p))
	}
}

// Sums is the sum of all postings by currency. In a whole ledger each is zero.
func (s *State) Sums() map[money.Currency]money.Amount {
	out := make(map[money.Currency]money.Amount, len(s.sums))
	for c, a := range s.sums {
		out[c] = a
	}
	return out
}

// Sum is the hash of the ledger. Accounts change with every call, several of them
// with all calls, so they are hashed when the hash is asked for.
func (s *State) Sum() events.Sum {
	for _, a := range s.stale {
		s.sum.Subtract(a.member)
		a.member, a.stale = events.SumOf(a.encoding(&s.scratch)), false
		s.sum.Merge(a.member)
	}
	s.stale = s.stale[:0]
	return s.sum
}

// Own names one of our own accounts: "own/revenue/USD".
func Own(name string, currency string) string { return "own/" + name + "/" + currency }

// IsOwn tells our own accounts from companies'.
func IsOwn(account string) bool { return strings.HasPrefix(account, "own/") }

// The names of our own accounts. Payments is the other side of money that comes
// in or goes out, Revenue and Cost of calls' prices, Tax of taxes, and Overrun
// takes what a call's price exceeded its hold by. Suspense is for adjustments.
const (
	Revenue  = "revenue"
	Cost     = "cost"
	Tax      = "tax"
	Payments = "payments"
	Overrun  = "overrun"
	Suspense = "suspense"
)

func (s *State) account(id, currency string) *Account {
	a, ok := s.accounts[id]
	if !ok {
		a = &Account{ID: id, Currency: money.Currency(currency)}
		s.accounts[id] = a
		s.changed(a)
	}
	return a
}

// touch changes an account and keeps the hash right.
func (s *State) touch(id, currency string, change func(*Account)) {
	a := s.account(id, currency)
	change(a)
	s.changed(a)
}

func (s *State) changed(a *Account) {
	if !a.stale {
		a.stale = true
		s.stale = append(s.stale, a)
	}
}

func (s *State) post(postings []*wire.Posting) {
	for _, p := range postings {
		amount := money.Amount(p.AmountMicro)
		s.touch(p.Account, p.Currency, func(a *Account) { a.Posted += amount })
		s.sums[money.Currency(p.Currency)] += amount
	}
}

// CheckBalanced refuses a set of postings that does not sum to zero in every
// currency. It is checked when deciding and again when folding.
func CheckBalanced(postings []*wire.Posting) error {
	for i, p := range postings {
		if slices.ContainsFunc(postings[:i], func(q *wire.Posting) bool { return q.Currency == p.Currency }) {
			continue // summed already
		}
		sum := int64(0)
		for _, q := range postings[i:] {
			if q.Currency == p.Currency {
				sum += q.AmountMicro
			}
		}
		if sum != 0 {
			return fmt.Errorf("the postings sum to %s %s, not to zero", money.Amount(sum), p.Currency)
		}
	}
	return nil
}
