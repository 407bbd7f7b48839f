package node

import (
	"context"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/events/world"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/resolve"
	"github.com/tollbook/tollbook/projections/live"
)

// historyPoll is how often a waiting reader looks whether the history has moved.
const historyPoll = 20 * time.Millisecond

// Execute asks the book for a decision.
func (n *Node) Execute(ctx context.Context, cmd *wire.Command) (*wire.Reply, error) {
	return n.book.Execute(ctx, cmd)
}

// Catalog is the newest catalog that this node has read.
func (n *Node) Catalog() *catalog.State { return n.follower.Catalog() }

// Ledger is what the book knows of an account.
func (n *Node) Ledger(account string) ledger.Account {
	var a ledger.Account
	n.follower.View(func(st *state.State) { a = st.Ledger.Balance(account) })
	return a
}

// vendorOut tells whether we owe a vendor all that he lets us owe. Only accounts
// that say so are looked up.
func (n *Node) vendorOut(account string) bool {
	a := n.tables.World().Catalog.Account(account)
	if !a.GetCutOff() {
		return false
	}
	return ledger.VendorOut(a, n.Ledger(account).Posted)
}

// Wrap wraps a secret under the name of the entity that it belongs to.
func (n *Node) Wrap(of catalog.Ref, secret []byte) ([]byte, error) {
	return n.key.Wrap(of.String(), secret)
}

// LedgerSums adds up all accounts by currency.
func (n *Node) LedgerSums() map[money.Currency]money.Amount {
	var sums map[money.Currency]money.Amount
	n.follower.View(func(st *state.State) { sums = st.Ledger.Sums() })
	return sums
}

// AsOf is the position that the follower and the history both include, and how
// far the history is behind the follower.
func (n *Node) AsOf() (events.Position, time.Duration) {
	at, when := n.follower.Position()
	done := n.historyAt.Load()
	if done == nil || done.position >= at {
		return at, 0
	}
	return done.position, when.Sub(done.time)
}

// reached is how far the history has come in the book.
type reached struct {
	position events.Position
	time     time.Time
}

// historyMoved takes note of how far the history has come.
func (n *Node) historyMoved() {
	c, err := n.checkpoint("book")
	if err != nil {
		n.log.Error("the history's checkpoint cannot be read", "err", err)
		return
	}
	n.historyAt.Store(&reached{events.Position(c.Position), events.Instant(c.Time)})
}

// Await returns when all views include a position.
func (n *Node) Await(ctx context.Context, position events.Position) error {
	if err := n.follower.Wait(ctx, position); err != nil {
		return err
	}
	for {
		if done := n.historyAt.Load(); done != nil && done.position >= position {
			return nil
		}
		select {
		case <-ctx.Done():
			return events.Refuse(events.CodeUnavailable, "this node's history has not read to position %d yet", position)
		case <-time.After(historyPoll):
		}
	}
}

// DeckRows are the rows of a deck's version.
func (n *Node) DeckRows(ctx context.Context, v *wire.DeckVersion) ([]rating.Row, error) {
	data, err := n.blobs.Get(ctx, v.Digest)
	if err != nil {
		return nil, err
	}
	return rating.ParseCSV(data)
}

// StoreBlob keeps bytes under their SHA-256.
func (n *Node) StoreBlob(ctx context.Context, digest [32]byte, data []byte) error {
	return n.blobs.Put(ctx, digest, data)
}

// passwords hashes with argon2id.
type passwords struct{}

func (passwords) Hash(password string) (string, error) { return auth.HashPassword(password) }
func (passwords) Matches(hash, password string) bool   { return auth.VerifyPassword(hash, password) }

// ApplyWorld makes the catalog what a document says, as one change set.
func (n *Node) ApplyWorld(ctx context.Context, edit resolve.WorldEdit) (resolve.WorldChange, error) {
	var change resolve.WorldChange
	e, err := world.Read([]byte(edit.YAML), n.Catalog(), passwords{}, n.key)
	if err != nil {
		return change, err
	}
	for _, d := range e.Differences {
		change.Differences = append(change.Differences, resolve.Difference{Ref: d.Ref, Before: d.Before, After: d.After})
	}
	if len(e.Changes) == 0 {
		return change, nil
	}
	if !edit.DryRun {
		for digest, data := range e.Blobs {
			if err := n.blobs.Put(ctx, digest, data); err != nil {
				return change, err
			}
		}
	}
	key := events.KeyOf("apply", edit.YAML, time.Now().String())
	reply, err := n.book.Execute(ctx, &wire.Command{
		Key: key[:], Actor: edit.Actor, DryRun: edit.DryRun,
		Body: &wire.Command_ChangeCatalog{ChangeCatalog: &wire.ChangeCatalog{Note: edit.Note, Changes: e.Changes}},
	})
	if err != nil {
		return change, err
	}
	if !edit.DryRun {
		change.Position = events.Position(reply.GetPosted().GetPosition())
	}
	return change, nil
}

// LiveCalls are the calls that go on now.
func (n *Node) LiveCalls() []resolve.LiveCall {
	calls := n.live.Calls()
	out := make([]resolve.LiveCall, 0, len(calls))
	for _, c := range calls {
		l := resolve.LiveCall{
			Call: c.ID, Node: c.Node, State: string(c.State), Company: c.Company, Account: c.Account,
			Originator: c.Originator, Terminator: c.Terminator, Caller: c.Caller, Called: c.Called,
			SetupAt: events.Instant(c.SetupUS),
		}
		l.Recording = n.recordingOf(c.ID)
		if c.AnsweredUS != 0 {
			l.AnsweredAt = events.Instant(c.AnsweredUS)
		}
		if len(c.Legs) > 0 {
			l.VendorCompany = c.Legs[len(c.Legs)-1].Company
		}
		out = append(out, l)
	}
	return out
}

// Traffic is what the last minutes were like.
func (n *Node) Traffic() resolve.Traffic {
	now := time.Now()
	quarter := n.live.Traffic(now.UnixMicro(), 15)
	t := resolve.Traffic{
		Attempts: int(quarter.Attempts), Answered: int(quarter.Answered), Ended: int(quarter.Answered),
		TalkTime: time.Duration(quarter.TalkMS) * time.Millisecond,
		PDD:      time.Duration(quarter.PDDUS) * time.Microsecond, Rang: int(quarter.PDDCount),
	}
	t.Minutes = minutes(n.live, now)
	return t
}

// minutes are the last hour's, oldest first: differences of growing windows.
func minutes(v *live.View, now time.Time) []resolve.Minute {
	const hour = 60
	out := make([]resolve.Minute, hour)
	var before live.Traffic
	for back := range hour {
		sum := v.Traffic(now.UnixMicro(), back+1)
		out[hour-1-back] = resolve.Minute{
			At:       now.Add(-time.Duration(back) * time.Minute).Truncate(time.Minute),
			Attempts: int(sum.Attempts - before.Attempts), Answered: int(sum.Answered - before.Answered),
		}
		before = sum
	}
	return out
}

// ready says why the node cannot serve calls.
func (n *Node) ready(ctx context.Context) error {
	if err := n.terms.Err(); err != nil && !n.server.Clustered() {
		return events.Refuse(events.CodeUnavailable, "the book has no keeper: %v", err)
	}
	if st := n.calls.log.Stats(); st.Failed != nil {
		return st.Failed
	}
	return nil
}

// unwrapFactor reads the secret of a user's second factor.
func (n *Node) unwrapFactor(user string, wrapped []byte) ([]byte, error) {
	return n.key.Unwrap(catalog.Ref{Kind: catalog.KindUser, ID: user}.String(), wrapped)
}
