package state

import (
	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/wire"
)

// maxBuckets bounds the memory of Rates; beyond it the buckets start anew.
const maxBuckets = 100_000

// Rates counts calls a second: of accounts and originators accepted and refused ones
// alike, of terminators those that they are sent. It belongs to a keeper's term and
// starts empty with it: it is no part of the folded state.
type Rates struct {
	buckets map[string]*bucket
}

// bucket holds tokens in millionths of a call.
type bucket struct {
	tokens int64
	atUS   int64
}

// NewRates starts with every bucket full.
func NewRates() *Rates { return &Rates{buckets: map[string]*bucket{}} }

// take counts a call against the limits of its lines' originators and accounts. An
// emergency call is not counted.
func (r *Rates) take(d ledger.Deciding, p *wire.PlaceHold) error {
	if r == nil || p.Emergency != "" {
		return nil
	}
	for _, l := range p.Lines {
		if o := d.Catalog.Originator(l.Originator); o.GetCallsPerSecond() > 0 && !r.allow("originator "+o.Id, o.CallsPerSecond, d.NowUS) {
			return events.Refuse(events.CodeLimit, "originator %s sends more than its %d calls a second", o.Id, o.CallsPerSecond)
		}
		if err := r.takePrefixes(d, l); err != nil {
			return err
		}
		if a := d.Catalog.Account(l.Payer); a.GetCallsPerSecond() > 0 && !r.allow("account "+a.Id, a.CallsPerSecond, d.NowUS) {
			return events.Refuse(events.CodeLimit, "account %s has more than its %d calls a second", a.Id, a.CallsPerSecond)
		}
	}
	return nil
}

// takePrefixes counts a call against its originator's prefix limits.
func (r *Rates) takePrefixes(d ledger.Deciding, l *wire.HoldLine) error {
	for _, p := range l.LimitPrefixes {
		limit := catalog.PrefixLimit(d.Catalog.Originator(l.Originator), p)
		if limit.GetCallsPerSecond() > 0 && !r.allow("originator "+l.Originator+" to "+p, limit.CallsPerSecond, d.NowUS) {
			return events.Refuse(events.CodeLimit,
				"originator %s sends more than its %d calls a second to prefix %s", l.Originator, limit.CallsPerSecond, p)
		}
	}
	return nil
}

// pace counts vendors' calls; nil where nothing is counted.
func (r *Rates) pace(nowUS int64) func(who string, perSecond uint32) bool {
	if r == nil {
		return nil
	}
	return func(who string, perSecond uint32) bool { return r.allow(who, perSecond, nowUS) }
}

func (r *Rates) allow(name string, perSecond uint32, nowUS int64) bool {
	const one = 1_000_000
	full := int64(perSecond) * one
	b, ok := r.buckets[name]
	if !ok {
		if len(r.buckets) >= maxBuckets {
			clear(r.buckets)
		}
		b = &bucket{tokens: full, atUS: nowUS}
		r.buckets[name] = b
	}
	elapsed := min(nowUS-b.atUS, one)
	b.tokens = min(full, b.tokens+elapsed*int64(perSecond))
	b.atUS = nowUS
	if b.tokens < one {
		return false
	}
	b.tokens -= one
	return true
}
