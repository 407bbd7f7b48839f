package ledger

import (
	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

// second is a second in a package's account.
const second = money.MicroPerUnit

// reserves calls fn for each account that a hold's line reserves something of: the
// payer's money, and a package's seconds.
func reserves(l *wire.HoldLine, fn func(account, currency string, amount money.Amount)) {
	if l.Payer == "" {
		return
	}
	fn(l.Payer, rating.Currency(l.Sell), money.Amount(l.AmountMicro))
	if l.Package != "" {
		fn(l.Package, string(money.Seconds), money.Amount(l.PackageMicro))
	}
}

// checkPackage refuses a package that is not the payer's.
func checkPackage(d Deciding, payer *wire.Account, l *wire.HoldLine) error {
	if l.Package == "" {
		return nil
	}
	if a := d.Catalog.Account(l.Package); a == nil || payer.Package != l.Package || a.Currency != string(money.Seconds) {
		return events.Invalid("account %s is no package of account %s", l.Package, payer.Id)
	}
	return nil
}

// share is what a line reserves: money, and seconds of its package.
type share struct {
	amount  money.Amount
	seconds int64
}

// packages hands out what is available in packages, line by line, so that lines of
// one call do not take the same second. The zero value has handed out nothing.
type packages struct {
	taken map[string]int64
}

// left is how many seconds a line may take of its package: what it has reserved
// already, and what is available beside that. A package in deficit, or disabled,
// gives no more, but leaves what is reserved.
func (p *packages) left(s *State, c *catalog.State, l *wire.HoldLine) int64 {
	if l.Package == "" {
		return 0
	}
	own := l.PackageMicro / second
	if c.Account(l.Package).GetDisabled() {
		return own
	}
	return own + max(0, int64(s.Available(c, l.Package))/second-p.taken[l.Package])
}

// take notes what a line takes.
func (p *packages) take(l *wire.HoldLine, seconds int64) {
	more := seconds - l.PackageMicro/second
	if l.Package == "" || more <= 0 {
		return
	}
	if p.taken == nil {
		p.taken = map[string]int64{}
	}
	p.taken[l.Package] += more
}

// used appends the postings of seconds that a package paid.
func used(to []*wire.Posting, account string, seconds int64) []*wire.Posting {
	cur, micro := string(money.Seconds), money.Amount(seconds*second)
	return addPosting(addPosting(to, account, cur, -micro), Own(Revenue, cur), cur, micro)
}
