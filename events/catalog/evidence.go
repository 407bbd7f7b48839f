package catalog

import (
	"slices"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

const (
	// maxEvidenceRules bounds the rules, each of which looks at every call.
	maxEvidenceRules    = 200
	maxEvidencePeers    = 1000
	maxEvidencePrefixes = 1000
	perMille            = 1000
)

// EvidenceRule finds an evidence rule by its id.
func (s *State) EvidenceRule(id string) *wire.EvidenceRule {
	return s.items[KindEvidenceRule][id].Entity.GetEvidenceRule()
}

func validateEvidence(r *wire.EvidenceRule) error {
	for _, peers := range []struct {
		field string
		ids   []string
	}{{"originators", r.Originators}, {"terminators", r.Terminators}, {"subscribers", r.Subscribers}} {
		if len(peers.ids) > maxEvidencePeers {
			return events.Invalid("%s: at most %d are allowed", peers.field, maxEvidencePeers)
		}
		for i, id := range peers.ids {
			if slices.Contains(peers.ids[:i], id) {
				return events.Invalid("%s.%d: %s stands twice", peers.field, i, id)
			}
		}
	}
	if err := checkPrefixes("callers", r.Callers, maxEvidencePrefixes); err != nil {
		return err
	}
	if err := checkPrefixes("called", r.Called, maxEvidencePrefixes); err != nil {
		return err
	}
	switch {
	case r.PerMille > perMille:
		return events.Invalid("per_mille: %d of %d calls cannot be drawn; 0 is all of them", r.PerMille, perMille)
	case wire.RecordingPolicy_name[int32(r.Recording)] == "":
		return events.Invalid("recording must be on, off, or left out")
	case wire.CapturePolicy_name[int32(r.Capture)] == "":
		return events.Invalid("capture must be off, sip, full, or left out")
	case r.Recording == 0 && r.Capture == 0:
		return events.Invalid("the rule says nothing: give it recording, capture or both")
	}
	return checkName(r.Name)
}

func evidenceNeeds(r *wire.EvidenceRule) []Ref {
	var refs []Ref
	for _, need := range []struct {
		kind Kind
		ids  []string
	}{
		{KindOriginator, r.Originators}, {KindTerminator, r.Terminators}, {KindSubscriber, r.Subscribers},
	} {
		for _, id := range need.ids {
			refs = append(refs, Ref{need.kind, id})
		}
	}
	if r.NumberList != "" {
		refs = append(refs, Ref{KindNumberList, r.NumberList})
	}
	return refs
}

// checkEvidence bounds the rules of the state after an edit.
func (s *State) checkEvidence() *events.Error {
	if n := s.Len(KindEvidenceRule); n > maxEvidenceRules {
		return events.Invalid("there would be %d evidence rules; at most %d are allowed", n, maxEvidenceRules)
	}
	return nil
}
