package server_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/model"
)

const evidencePut = `mutation($i: EvidenceRulePutInput!) { evidenceRulePut(input: $i) { evidenceRule {
	id key name disabled priority originatorIds terminatorIds subscriberIds callers called numberListId perMille recording capture
	} userErrors { code path message } } }`

// TestEvidenceRules puts every field of a rule and reads it back.
func TestEvidenceRules(t *testing.T) {
	f := newFixture(t, noon)
	f.put(f.now(), "a list", &wire.NumberList{Id: "vip", Numbers: []string{"4930"}})
	c := f.as("noel")
	got := c.must(evidencePut, map[string]any{"i": map[string]any{
		"key": "some", "name": "Some", "disabled": true, "priority": 7, "originators": []string{"originator:acme-1"},
		"callers": []string{"1"}, "called": []string{"44"}, "numberList": "number-list:vip", "perMille": 25,
		"recording": "ON", "capture": "FULL",
	}})
	want := &wire.EvidenceRule{
		Id: "some", Name: "Some", Disabled: true, Priority: 7, Originators: []string{"acme-1"}, Callers: []string{"1"},
		Called: []string{"44"}, NumberList: "vip", PerMille: 25,
		Recording: wire.RecordingPolicy_RECORDING_POLICY_ON, Capture: wire.CapturePolicy_CAPTURE_POLICY_FULL,
	}
	if rule := f.Catalog().EvidenceRule("some"); rule.String() != want.String() {
		t.Errorf("%v\nwant %v\n%v", rule, want, got)
	}
	for path, value := range map[string]string{
		"id": "evidence-rule:some", "originatorIds.0": "originator:acme-1", "numberListId": "number-list:vip", "recording": "ON", "capture": "FULL",
	} {
		if got.text("evidenceRulePut.evidenceRule."+path) != value {
			t.Errorf("%s: %v, want %s", path, got.at("evidenceRulePut.evidenceRule."+path), value)
		}
	}
	// A part that is left out stays, null leaves it to other rules.
	c.must(evidencePut, map[string]any{"i": map[string]any{"key": "some", "disabled": false, "recording": nil, "numberList": nil}})
	if rule := f.Catalog().EvidenceRule("some"); rule.Disabled || rule.Recording != 0 || rule.NumberList != "" || rule.Capture != want.Capture {
		t.Errorf("%v", rule)
	}
	for _, wrong := range []map[string]any{
		{"key": "new"}, {"key": "new", "recording": "ON", "perMille": 1001}, {"key": "new", "recording": "ON", "priority": -1},
		{"key": "new", "recording": "ON", "terminators": []string{"terminator:none"}},
	} {
		if got := c.must(evidencePut, map[string]any{"i": wrong}); got.len("evidenceRulePut.userErrors") != 1 || f.Catalog().EvidenceRule("new") != nil {
			t.Errorf("%v: %v", wrong, got)
		}
	}
	f.as("adam").refused("FORBIDDEN", evidencePut, map[string]any{"i": map[string]any{"key": "x", "recording": "ON"}})
	read := c.must(`{ evidenceRules(first: 5) { nodes { key } } node(id: "evidence-rule:some") { ... on EvidenceRule { key } } }`, nil)
	if read.len("evidenceRules.nodes") != 1 || read.text("node.key") != "some" {
		t.Errorf("%v", read)
	}
	c.must(`mutation { evidenceRuleRemove(input: {id: "evidence-rule:some"}) { removedId userErrors { code } } }`, nil)
	if f.Catalog().EvidenceRule("some") != nil {
		t.Error("the rule is still there")
	}
}

// TestEvidenceIsSimulated: the simulator shows what would be kept of a call.
func TestEvidenceIsSimulated(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("noel")
	ask := `{ routeSimulate(input: {originator: "originator:acme-1", caller: "14155550100", called: "447700900123"}) {
		evidence { recorded recordingRule { key perMille } capture captureRule { key } } } }`
	if got := c.must(ask, nil); got.at("routeSimulate.evidence.recorded") != false || got.text("routeSimulate.evidence.capture") != "OFF" {
		t.Errorf("without rules: %v", got)
	}
	f.put(f.now(), "rules",
		&wire.EvidenceRule{Id: "a", Called: []string{"44"}, PerMille: 10, Recording: wire.RecordingPolicy_RECORDING_POLICY_ON},
		&wire.EvidenceRule{Id: "b", Called: []string{"49"}, Capture: wire.CapturePolicy_CAPTURE_POLICY_FULL},
		&wire.EvidenceRule{Id: "c", Capture: wire.CapturePolicy_CAPTURE_POLICY_SIP},
	)
	got := c.must(ask, nil)
	for path, value := range map[string]string{"recordingRule.key": "a", "capture": "SIP", "captureRule.key": "c"} {
		if got.text("routeSimulate.evidence."+path) != value {
			t.Errorf("%s: %v", path, got)
		}
	}
	if got.at("routeSimulate.evidence.recorded") != true {
		t.Errorf("%v", got)
	}
}

// recordings are the calls whose recording does not stand at NONE.
func (f *fixture) recordings(c *client) (out string) {
	got := c.must(`{ liveCalls(first: 50) { nodes { id recording } } }`, nil)
	for i := range got.len("liveCalls.nodes") {
		at := fmt.Sprintf("liveCalls.nodes.%d.", i)
		if state := got.text(at + "recording"); state != "NONE" {
			out += got.text(at+"id") + " " + state
		}
	}
	return out
}

// TestRecordingIsSteered: who may, of which calls, and what is refused.
func TestRecordingIsSteered(t *testing.T) {
	f := newFixture(t, noon)
	noel := f.as("noel")
	ask := func(what string) string {
		return `mutation($c: ID!) { ` + what + `(input: {call: $c, reason: "card"}) { callId userErrors { code } } }`
	}
	id := map[string]any{"c": model.CallID(f.running)}
	if got := f.recordings(noel); got != "" {
		t.Error(got)
	}
	if got := noel.must(ask("recordingStart"), id); got.text("recordingStart.userErrors.0.code") != "CONFLICT" {
		t.Errorf("%v", got)
	}
	for _, what := range []string{"recordingPause", "recordingResume", "recordingStop"} {
		if got := noel.must(ask(what), id); got.text(what+".callId") != model.CallID(f.running) {
			t.Errorf("%s: %v", what, got)
		}
	}
	if got := f.recordings(noel); got != model.CallID(f.running)+" PAUSED" {
		t.Error(got)
	}
	want := []string{
		"RECORDING_ACTION_PAUSE user:noel card", "RECORDING_ACTION_RESUME user:noel card", "RECORDING_ACTION_STOP user:noel card",
	}
	if !slices.Equal(f.steered, want) {
		t.Errorf("%v", f.steered)
	}
	if got := noel.must(ask("recordingStop"), map[string]any{"c": "call:x"}); got.text("recordingStop.userErrors.0.code") != "NOT_FOUND" {
		t.Errorf("%v", got)
	}
	f.as("fiona").refused("FORBIDDEN", ask("recordingPause"), id)
	f.observe("log.audit.n1", f.now(), &wire.Event{Actor: "user:noel", Body: &wire.Event_RecordingSteered{RecordingSteered: &wire.RecordingSteered{
		Call: f.running[:], Node: "n1", Action: wire.RecordingAction_RECORDING_ACTION_PAUSE, Reason: "card",
	}}})
	audit := f.as("root").must(`{ audit(first: 1, kind: RECORDING_STEERED) { nodes { kind actor node note } } }`, nil)
	if audit.text("audit.nodes.0.actor") != "user:noel" || audit.text("audit.nodes.0.note") != "pause "+f.running.String()+": card" {
		t.Errorf("%v", audit)
	}
}
