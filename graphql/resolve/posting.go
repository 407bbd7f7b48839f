package resolve

import (
	"context"

	"github.com/99designs/gqlgen/graphql"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/model"
)

// maxIdempotencyKey bounds an idempotency key, in bytes.
const maxIdempotencyKey = 255

// posting is one movement of money that somebody asked for.
type posting struct {
	key     string
	account string // a global id or a key; empty for a reversal
	dryRun  graphql.Omittable[*bool]
	money   *wire.PostMoney
}

func (r *Resolver) credit(ctx context.Context, in model.AccountCreditInput) (*model.PostingPayload, error) {
	m := &wire.PostMoney{
		Kind: wire.PostingKind_POSTING_KIND_CREDIT, Reason: in.Reason, Reference: or(in.Reference, ""),
		EffectiveAtUs: effective(in.EffectiveAt),
	}
	return r.post(ctx, posting{key: in.IdempotencyKey, account: in.Account, dryRun: in.DryRun, money: m}, &in.Amount)
}

func (r *Resolver) debit(ctx context.Context, in model.AccountDebitInput) (*model.PostingPayload, error) {
	m := &wire.PostMoney{
		Kind: wire.PostingKind_POSTING_KIND_DEBIT, Reason: in.Reason, Reference: or(in.Reference, ""),
		EffectiveAtUs: effective(in.EffectiveAt),
	}
	if or(in.Forced, false) {
		m.Kind = wire.PostingKind_POSTING_KIND_FORCED_DEBIT
	}
	return r.post(ctx, posting{key: in.IdempotencyKey, account: in.Account, dryRun: in.DryRun, money: m}, &in.Amount)
}

func (r *Resolver) postKind(ctx context.Context, in model.AccountPostInput) (*model.PostingPayload, error) {
	m := &wire.PostMoney{
		Kind: in.Kind.Wire(), Reason: in.Reason, Reference: or(in.Reference, ""), EffectiveAtUs: effective(in.EffectiveAt),
	}
	return r.post(ctx, posting{key: in.IdempotencyKey, account: in.Account, dryRun: in.DryRun, money: m}, &in.Amount)
}

func (r *Resolver) transfer(ctx context.Context, in model.AccountTransferInput) (*model.PostingPayload, error) {
	to, ok := r.find(ctx, catalog.KindAccount, in.To)
	if !ok {
		mistakes, err := userErrors(events.NotFound("there is no account %.80q", in.To).At("input.to"))
		return &model.PostingPayload{UserErrors: mistakes}, err
	}
	m := &wire.PostMoney{
		Kind: wire.PostingKind_POSTING_KIND_TRANSFER, ToAccount: to.Entity.GetAccount().Id,
		Reason: in.Reason, Reference: or(in.Reference, ""),
	}
	return r.post(ctx, posting{key: in.IdempotencyKey, account: in.From, dryRun: in.DryRun, money: m}, &in.Amount)
}

func (r *Resolver) reverse(ctx context.Context, in model.PostingReverseInput) (*model.PostingPayload, error) {
	m := &wire.PostMoney{
		Kind: wire.PostingKind_POSTING_KIND_REVERSAL, Reverses: uint64(in.Position), Reason: in.Reason,
	}
	return r.post(ctx, posting{key: in.IdempotencyKey, dryRun: in.DryRun, money: m}, nil)
}

// post sends a movement to the keeper and shows the entry that it made.
func (r *Resolver) post(ctx context.Context, p posting, amount *model.MoneyInput) (*model.PostingPayload, error) {
	payload := &model.PostingPayload{UserErrors: []*model.UserError{}}
	err := r.checkPosting(ctx, &p, amount)
	var reply *wire.Reply
	if err == nil {
		key := events.KeyOf("posting", auth.FromContext(ctx).Actor, p.key)
		reply, err = r.execute(ctx, &wire.Command{
			Key: key[:], DryRun: dry(p.dryRun), Body: &wire.Command_PostMoney{PostMoney: p.money},
		})
	}
	if err != nil {
		payload.UserErrors, err = userErrors(err)
		return payload, err
	}
	payload.Repeated = reply.Repeated
	if dry(p.dryRun) {
		payload.Account = one(ctx, r, catalog.KindAccount, p.money.Account, account)
		return payload, nil
	}
	return payload, r.posted(ctx, &p, reply, payload)
}

// checkPosting completes the command and refuses what the keeper need not see.
func (r *Resolver) checkPosting(ctx context.Context, p *posting, amount *model.MoneyInput) error {
	if p.key == "" || len(p.key) > maxIdempotencyKey {
		return events.Invalid("an idempotency key has 1 to %d bytes", maxIdempotencyKey).At("input.idempotencyKey")
	}
	if p.money.Reason == "" {
		return events.Invalid("the reason is missing").At("input.reason")
	}
	if amount == nil {
		return nil
	}
	item, ok := r.find(ctx, catalog.KindAccount, p.account)
	if !ok {
		return events.NotFound("there is no account %.80q", p.account).At("input.account")
	}
	micro, err := amount.Amount.Scaled(6)
	if err != nil {
		return events.Invalid("%v", err).At("input.amount.amount")
	}
	if micro <= 0 && (p.money.Kind != wire.PostingKind_POSTING_KIND_ADJUSTMENT || micro == 0) {
		return events.Invalid("the amount must be above zero").At("input.amount.amount")
	}
	p.money.Account, p.money.AmountMicro, p.money.Currency = item.Entity.GetAccount().Id, micro, amount.Currency
	return nil
}

// posted reads the entry back, once this node has it.
func (r *Resolver) posted(ctx context.Context, p *posting, reply *wire.Reply, payload *model.PostingPayload) error {
	position := events.Position(reply.GetPosted().GetPosition())
	if position == 0 {
		position = events.Position(reply.Position)
	}
	payload.Position = &position
	if err := r.Backend.Await(ctx, position); err != nil {
		return err
	}
	entries, err := r.entriesAt(ctx, position)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if p.money.Account == "" || e.AccountKey == p.money.Account {
			payload.Entry = e
			payload.Account = one(ctx, r, catalog.KindAccount, e.AccountKey, account)
			return nil
		}
	}
	return nil
}
