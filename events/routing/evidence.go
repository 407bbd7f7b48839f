package routing

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/number"
	"github.com/tollbook/tollbook/events/wire"
)

// Parties are whom a call is between, as evidence rules look at them.
type Parties struct {
	// Call is what is drawn with; a zero one is taken for drawn.
	Call events.CallID
	// Originator and Terminator are peers' names; a Terminator that is not known yet
	// is empty, and meets no rule that names some.
	Originator, Terminator string
	// Caller and Called are the numbers that the call is routed by.
	Caller, Called string
}

// Evidence is what is kept of a call beside its record, and by which rules.
type Evidence struct {
	Record      bool
	RecordRule  string
	Capture     wire.CapturePolicy
	CaptureRule string
}

// evidenceRules are the rules in the order in which they are asked.
type evidenceRules struct {
	rules []*wire.EvidenceRule
	// late tells that some rule depends on the terminator.
	late bool
}

func compileEvidence(c *catalog.State) (out evidenceRules) {
	for _, it := range c.List(catalog.KindEvidenceRule) {
		if r := it.Entity.GetEvidenceRule(); !r.Disabled {
			out.rules = append(out.rules, r)
			out.late = out.late || len(r.Terminators)+len(r.Subscribers) > 0
		}
	}
	slices.SortStableFunc(out.rules, func(a, b *wire.EvidenceRule) int { return int(a.Priority) - int(b.Priority) })
	return out
}

// KeepsEvidence tells whether any call is captured or recorded by a rule.
func (w *World) KeepsEvidence() bool { return len(w.evidence.rules) > 0 }

// EvidenceAwaits tells that a call's evidence may become more once its terminator
// is known.
func (w *World) EvidenceAwaits() bool { return w.evidence.late }

// Evidence decides what is kept of a call. Recording and capture each go by the
// first rule that the call meets and that says something about it.
func (w *World) Evidence(p Parties) Evidence {
	var e Evidence
	var recording wire.RecordingPolicy
	for _, r := range w.evidence.rules {
		says := recording == 0 && r.Recording != 0 || e.Capture == 0 && r.Capture != 0
		if !says || !w.meets(r, p) {
			continue
		}
		if recording == 0 && r.Recording != 0 {
			recording, e.RecordRule = r.Recording, r.Id
		}
		if e.Capture == 0 && r.Capture != 0 {
			e.Capture, e.CaptureRule = r.Capture, r.Id
		}
	}
	e.Record = recording == wire.RecordingPolicy_RECORDING_POLICY_ON
	return e
}

func (w *World) meets(r *wire.EvidenceRule, p Parties) bool {
	switch {
	case len(r.Originators) > 0 && !slices.Contains(r.Originators, p.Originator),
		len(r.Terminators) > 0 && !slices.Contains(r.Terminators, p.Terminator),
		len(r.Subscribers) > 0 && !isSubscriber(r.Subscribers, p.Originator) && !isSubscriber(r.Subscribers, p.Terminator),
		len(r.Callers) > 0 && !begins(r.Callers, p.Caller),
		len(r.Called) > 0 && !begins(r.Called, p.Called):
		return false
	}
	if r.NumberList != "" {
		l := w.lists[r.NumberList]
		if l == nil || !onList(l, p.Caller) && !onList(l, p.Called) {
			return false
		}
	}
	return r.PerMille == 0 || p.Call == (events.CallID{}) || drawn(r.Id, p.Call) < r.PerMille
}

func onList(l *number.List, digits string) bool { return digits != "" && l.Has(digits) }

func isSubscriber(ids []string, peer string) bool {
	ref := catalog.PeerRef(catalog.KindOriginator, peer)
	return ref.Kind == catalog.KindSubscriber && slices.Contains(ids, ref.ID)
}

func begins(prefixes []string, digits string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(digits, p) })
}

// drawn is a number from 0 to 999 that a call always draws for the same rule.
func drawn(rule string, id events.CallID) uint32 {
	h := sha256.New()
	h.Write([]byte(rule))
	h.Write(id[:])
	return uint32(binary.BigEndian.Uint64(h.Sum(nil)) % 1000)
}
