package catalog_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
)

func evidenceRule() *wire.EvidenceRule {
	return &wire.EvidenceRule{
		Id: "e", Name: "some of them", Originators: []string{"o"}, Terminators: []string{"t"}, Subscribers: []string{"s"},
		Callers: []string{"49"}, Called: []string{"1"}, NumberList: "l", PerMille: 1000,
		Recording: wire.RecordingPolicy_RECORDING_POLICY_ON, Capture: wire.CapturePolicy_CAPTURE_POLICY_FULL,
	}
}

func TestEvidenceRulesRefuse(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*wire.EvidenceRule)
		want  string // empty for none
	}{
		{"right", func(*wire.EvidenceRule) {}, ""},
		{"one thing", func(r *wire.EvidenceRule) { r.Capture = 0 }, ""},
		{"nothing", func(r *wire.EvidenceRule) { r.Capture, r.Recording = 0, 0 }, "evidence rule e: the rule says nothing"},
		{"recording", func(r *wire.EvidenceRule) { r.Recording = 3 }, "recording must be on, off"},
		{"capture", func(r *wire.EvidenceRule) { r.Capture = 4 }, "capture must be off, sip, full"},
		{"sample", func(r *wire.EvidenceRule) { r.PerMille = 1001 }, "per_mille: 1001 of 1000"},
		{"originator", func(r *wire.EvidenceRule) { r.Originators = []string{"who"} }, "needs originator who"},
		{"terminator", func(r *wire.EvidenceRule) { r.Terminators = []string{"who"} }, "needs terminator who"},
		{"subscriber", func(r *wire.EvidenceRule) { r.Subscribers = []string{"who"} }, "needs subscriber who"},
		{"twice", func(r *wire.EvidenceRule) { r.Subscribers = []string{"s", "s"} }, "subscribers.1: s stands twice"},
		{"many", func(r *wire.EvidenceRule) { r.Originators = make([]string, 1001) }, "originators: at most 1000"},
		{"list", func(r *wire.EvidenceRule) { r.NumberList = "who" }, "needs number list who"},
		{"caller", func(r *wire.EvidenceRule) { r.Callers = []string{"49", "+1"} }, "callers.1"},
		{"called", func(r *wire.EvidenceRule) { r.Called = []string{"x"} }, "called.0"},
		{"name", func(r *wire.EvidenceRule) { r.Name = strings.Repeat("x", 121) }, "the name is longer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := evidenceRule()
			c.spoil(r)
			_, err := world(t, small()...).Decide(now, changes([]any{r}))
			switch {
			case c.want == "" && err != nil:
				t.Fatal(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestEvidenceRulesAreBounded(t *testing.T) {
	var rules []any
	for i := range 201 {
		r := evidenceRule()
		r.Id = fmt.Sprintf("e%d", i)
		rules = append(rules, r)
	}
	if _, err := world(t, small()...).Decide(now, changes(rules)); err == nil || !strings.Contains(err.Error(), "at most 200 are allowed") {
		t.Error(err)
	}
	s := world(t, append(small(), evidenceRule())...)
	if s.EvidenceRule("e").GetPerMille() != 1000 || s.EvidenceRule("h") != nil {
		t.Error("a rule cannot be found")
	}
	_, err := s.Decide(now, []*wire.ExpectedChange{{Change: &wire.Change{Remove: true, Entity: catalog.EntityOf(&wire.NumberList{Id: "l"})}}})
	if err == nil || !strings.Contains(err.Error(), "used by 1 others") {
		t.Errorf("a list that a rule needs was removed: %v", err)
	}
}
