package ledger

import (
	"crypto/sha256"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/wire"
)

const maxReason = 500

// PostMoney decides a movement of money that a person or a partner asks for.
func (s *State) PostMoney(d Deciding, p *wire.PostMoney) (*wire.MoneyPosted, error) {
	if p.Reason == "" {
		return nil, events.Invalid("a reason is needed").At("reason")
	}
	if len(p.Reason) > maxReason || len(p.Reference) > maxReason {
		return nil, events.Invalid("reason and reference may have %d bytes each", maxReason).At("reason")
	}
	if p.Kind == wire.PostingKind_POSTING_KIND_REVERSAL {
		return s.reverse(d, p)
	}
	if p.Reverses != 0 {
		return nil, events.Invalid("only a reversal names a position to reverse").At("position")
	}
	if err := checkAmount(p); err != nil {
		return nil, err
	}
	a, err := s.payee(d, p.Account, p.Currency, "account")
	if err != nil {
		return nil, err
	}
	amount, other, err := s.movement(d, p, a)
	if err != nil {
		return nil, err
	}
	m := moved(d, p)
	m.Postings = addPosting(addPosting(nil, a.Id, a.Currency, amount), other, a.Currency, -amount)
	if p.EffectiveAtUs != 0 {
		s.flagLate(m.Postings, p.EffectiveAtUs)
	}
	return m, s.fits(m.Postings)
}

// movement is what is added to the account, and the account on the other side.
func (s *State) movement(d Deciding, p *wire.PostMoney, a *wire.Account) (amount money.Amount, other string, err error) {
	amount, cur := money.Amount(p.AmountMicro), a.Currency
	other = Own(Payments, cur)
	switch p.Kind {
	case wire.PostingKind_POSTING_KIND_CREDIT:
	case wire.PostingKind_POSTING_KIND_DEBIT, wire.PostingKind_POSTING_KIND_TRANSFER:
		if have := s.Available(d.Catalog, a.Id); have < amount {
			return 0, "", events.Refuse(events.CodeInsufficientFunds, "account %s has %s %s available, not %s", a.Id, have, cur, amount)
		}
		amount = -amount
	case wire.PostingKind_POSTING_KIND_FORCED_DEBIT:
		amount = -amount
	case wire.PostingKind_POSTING_KIND_CREDIT_NOTE:
		other = earned(a)
	case wire.PostingKind_POSTING_KIND_DEBIT_NOTE:
		amount, other = -amount, earned(a)
	case wire.PostingKind_POSTING_KIND_ADJUSTMENT:
		other = Own(Suspense, cur)
	default:
		return 0, "", events.Invalid("the kind of posting is missing").At("kind")
	}
	if p.Kind == wire.PostingKind_POSTING_KIND_TRANSFER {
		to, err := s.payee(d, p.ToAccount, cur, "toAccount")
		if err != nil {
			return 0, "", err
		}
		if to.Id == a.Id {
			return 0, "", events.Invalid("an account cannot transfer to itself").At("toAccount")
		}
		other = to.Id
	}
	return amount, other, nil
}

// checkAmount refuses amounts that are zero or too large, and negative ones
// except for an adjustment, which goes both ways.
func checkAmount(p *wire.PostMoney) error {
	amount, most := p.AmountMicro, int64(money.MaxAmount)/2
	if p.Kind == wire.PostingKind_POSTING_KIND_ADJUSTMENT {
		if amount == 0 || amount > most || amount < -most {
			return events.Invalid("the amount must not be zero, nor beyond %s", money.MaxAmount/2).At("amount")
		}
		return nil
	}
	if amount <= 0 || amount > most {
		return events.Invalid("the amount must be above zero and below %s", money.MaxAmount/2).At("amount")
	}
	return nil
}

// earned is our account that a note to a company corrects: what its customer
// account brought us, or what its vendor account cost us.
func earned(a *wire.Account) string {
	if a.Kind == wire.AccountKind_ACCOUNT_KIND_VENDOR {
		return Own(Cost, a.Currency)
	}
	return Own(Revenue, a.Currency)
}

// fits refuses postings that would take a balance out of bounds.
func (s *State) fits(postings []*wire.Posting) error {
	for _, p := range postings {
		if _, err := money.Add(s.Balance(p.Account).Posted, money.Amount(p.AmountMicro)); err != nil {
			return err
		}
	}
	return nil
}

func moved(d Deciding, p *wire.PostMoney) *wire.MoneyPosted {
	return &wire.MoneyPosted{
		Key: d.Command.Key, InputsHash: InputsHash(d.Command), Kind: p.Kind,
		Reason: p.Reason, Reference: p.Reference, Reverses: p.Reverses,
	}
}

func (s *State) payee(d Deciding, id, currency, field string) (*wire.Account, error) {
	a := d.Catalog.Account(id)
	if a == nil {
		return nil, events.NotFound("there is no account %q", id).At(field)
	}
	if currency != "" && currency != a.Currency {
		return nil, events.Invalid("account %s is in %s, not in %s", id, a.Currency, currency).At("currency")
	}
	return a, nil
}

func (s *State) reverse(d Deciding, p *wire.PostMoney) (*wire.MoneyPosted, error) {
	old, ok := s.postedAt[events.Position(p.Reverses)]
	switch {
	case !ok:
		return nil, events.NotFound("there is no posting of a person at position %d", p.Reverses).At("position")
	case old.Reversed:
		return nil, events.Refuse(events.CodeConflict, "the posting at position %d has been reversed already", p.Reverses).At("position")
	}
	m := moved(d, p)
	for _, q := range old.Postings {
		m.Postings = addPosting(m.Postings, q.Account, q.Currency, -money.Amount(q.AmountMicro))
	}
	return m, s.fits(m.Postings)
}

// InputsHash is the hash of what a command asks, without its key and deadline:
// it tells a repeat from another command under the same key.
func InputsHash(c *wire.Command) []byte {
	inputs := proto.CloneOf(c)
	inputs.Key, inputs.DeadlineUs, inputs.Node, inputs.DryRun = nil, 0, "", false
	if len(inputs.Inputs) > 0 {
		inputs.Body = nil // it was worked out from them
	}
	h := sha256.Sum256(events.Canonical(nil, inputs))
	return h[:]
}
