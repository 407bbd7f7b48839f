package node

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/wire"
)

// Summary is what a run came to. Sums of money are decimal strings by currency.
type Summary struct {
	Attempts      int64             `json:"attempts"`
	Answered      int64             `json:"answered"`
	Failed        int64             `json:"failed"`
	CDRs          int64             `json:"cdrs"`
	Legs          int64             `json:"legs"`
	Pending       int64             `json:"pending"`
	LedgerEntries int64             `json:"ledger_entries"`
	Charged       map[string]string `json:"charged"`
	Cost          map[string]string `json:"cost"`
	Margin        map[string]string `json:"margin"`
	LedgerSum     map[string]string `json:"ledger_sum"`
	Overspent     int               `json:"overspent_accounts"`
	Verify        string            `json:"verify"`
}

// Summary counts everything in the store, once all views have caught up.
func (n *Node) Summary(ctx context.Context) (Summary, error) {
	ctx, cancel := context.WithTimeout(ctx, closeWithin)
	defer cancel()
	if err := n.caughtUp(ctx); err != nil {
		return Summary{}, err
	}
	t, err := n.history.Totals(ctx)
	if err != nil {
		return Summary{}, err
	}
	s := Summary{
		Attempts: t.Attempts, Answered: t.Answered, Failed: t.Failed, CDRs: t.CDRs, Pending: t.Pending,
		LedgerEntries: t.LedgerEntries, Charged: amounts(t.Charged), Cost: amounts(t.Cost), Margin: amounts(t.Margin),
		LedgerSum: map[string]string{},
	}
	for c, a := range n.LedgerSums() {
		s.LedgerSum[string(c)] = a.String()
	}
	return s, nil
}

// caughtUp waits until the history includes all that is recorded.
func (n *Node) caughtUp(ctx context.Context) error {
	if err := n.calls.log.Flush(ctx); err != nil {
		return err
	}
	for {
		at, _ := n.follower.Position()
		if err := n.Await(ctx, at); err != nil {
			return err
		}
		read, err := n.checkpoint(callsJournal(n.settings.Node))
		if err != nil {
			return err
		}
		if end := n.calls.log.Stats().End; read.Number >= end.Number || n.signsOnly(read.Position, end.Position) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the history has not caught up: %w", ctx.Err())
		case <-time.After(historyPoll):
		}
	}
}

// signsOnly tells that what is missing can be no more than a sign of life.
func (n *Node) signsOnly(read, end uint64) bool { return end-read <= 1 && n.sw.Calls() == 0 }

func amounts(m map[string]int64) map[string]string {
	out := map[string]string{}
	for c, a := range m {
		out[c] = money.Amount(a).String()
	}
	return out
}

// Print writes the summary for people.
func (s Summary) Print(w io.Writer) {
	fmt.Fprintf(w, "calls    %d attempts, %d answered, %d failed; %d CDRs of %d legs, %d pending\n",
		s.Attempts, s.Answered, s.Failed, s.CDRs, s.Legs, s.Pending)
	for _, c := range slices.Sorted(maps.Keys(s.Charged)) {
		fmt.Fprintf(w, "money    %s charged %s, cost %s, margin %s\n", c, s.Charged[c], s.Cost[c], s.Margin[c])
	}
	for _, c := range slices.Sorted(maps.Keys(s.LedgerSum)) {
		fmt.Fprintf(w, "ledger   %s sums to %s\n", c, s.LedgerSum[c])
	}
	fmt.Fprintf(w, "         %d entries, %d accounts overspent, verify: %s\n", s.LedgerEntries, s.Overspent, s.Verify)
}

// Settle waits a moment for calls that are ending.
func (n *Node) Settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, closeWithin/2)
	defer cancel()
	for n.sw.Calls() > 0 && ctx.Err() == nil {
		time.Sleep(historyPoll)
	}
}

// Credit puts money onto an account; the same key does so once.
func (n *Node) Credit(ctx context.Context, account, amount, reason string, key events.Key) error {
	a, err := money.ParseAmount(amount)
	if err != nil {
		return err
	}
	_, err = n.book.Execute(ctx, &wire.Command{
		Key: key[:], Actor: "demo",
		Body: &wire.Command_PostMoney{PostMoney: &wire.PostMoney{
			Kind: wire.PostingKind_POSTING_KIND_CREDIT, Account: account, AmountMicro: int64(a), Reason: reason,
		}},
	})
	return err
}
