package world_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/events/world"
)

func TestEvidenceRulesAreRead(t *testing.T) {
	edit, err := world.Read([]byte(`
evidence_rules:
  - {id: all, name: Everything, priority: 10, recording: on, capture: full}
  - {id: some, originators: [o], terminators: [t], subscribers: [s], callers: ["49"], called: ["1"], number_list: l, per_mille: 5, capture: sip}
  - {id: none, disabled: true, recording: off, capture: off}
remove: [{kind: evidence_rule, id: gone}]
`), catalog.New(), &plain{}, boxes{})
	if err != nil {
		t.Fatal(err)
	}
	want := []*wire.EvidenceRule{
		{Id: "all", Name: "Everything", Priority: 10, Recording: wire.RecordingPolicy_RECORDING_POLICY_ON, Capture: wire.CapturePolicy_CAPTURE_POLICY_FULL},
		{
			Id: "some", Originators: []string{"o"}, Terminators: []string{"t"}, Subscribers: []string{"s"}, Callers: []string{"49"},
			Called: []string{"1"}, NumberList: "l", PerMille: 5, Capture: wire.CapturePolicy_CAPTURE_POLICY_SIP,
		},
		{Id: "none", Disabled: true, Recording: wire.RecordingPolicy_RECORDING_POLICY_OFF, Capture: wire.CapturePolicy_CAPTURE_POLICY_OFF},
	}
	var got []*wire.EvidenceRule
	for _, d := range edit.Differences {
		got = append(got, d.After.GetEvidenceRule())
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

func TestEvidenceRulesThatCannotBeRead(t *testing.T) {
	for rule, want := range map[string]string{
		"recording: sometimes": `recording "sometimes" is not one of off, on`,
		"capture: rtp":         `capture "rtp" is not one of full, off, sip`,
	} {
		_, err := world.Read([]byte("evidence_rules: [{id: e, "+rule+"}]"), catalog.New(), &plain{}, boxes{})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `evidence_rules[0] "e"`) {
			t.Errorf("%s: %v, want %q", rule, err, want)
		}
	}
}
