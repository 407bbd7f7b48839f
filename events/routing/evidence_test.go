package routing_test

import (
	"encoding/binary"
	"testing"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
)

const (
	recordOn  = wire.RecordingPolicy_RECORDING_POLICY_ON
	recordOff = wire.RecordingPolicy_RECORDING_POLICY_OFF
	sipOnly   = wire.CapturePolicy_CAPTURE_POLICY_SIP
	full      = wire.CapturePolicy_CAPTURE_POLICY_FULL
)

// keeping is a World with nothing in it but evidence rules and a number list.
func keeping(rules ...*wire.EvidenceRule) *routing.World {
	set := &wire.ChangeSetAccepted{Changes: []*wire.Change{
		{Entity: catalog.EntityOf(&wire.NumberList{Id: "vip", Numbers: []string{"4930"}, Prefixes: []string{"44"}})},
	}}
	for _, r := range rules {
		set.Changes = append(set.Changes, &wire.Change{Entity: catalog.EntityOf(r)})
	}
	return routing.Compile(catalog.New().Evolve(1, &wire.Event{Body: &wire.Event_ChangeSetAccepted{ChangeSetAccepted: set}}), nil)
}

func TestEvidence(t *testing.T) {
	w := keeping(
		&wire.EvidenceRule{Id: "a-last", Priority: 9, Recording: recordOn, Capture: sipOnly},
		&wire.EvidenceRule{Id: "b", Priority: 5, Originators: []string{"o1"}, Terminators: []string{"t1"}, Recording: recordOff},
		&wire.EvidenceRule{Id: "c", Priority: 4, Callers: []string{"49"}, Called: []string{"1", "33"}, Capture: full},
		&wire.EvidenceRule{Id: "d", Priority: 3, Subscribers: []string{"anna"}, Capture: wire.CapturePolicy_CAPTURE_POLICY_OFF},
		&wire.EvidenceRule{Id: "e", Priority: 2, NumberList: "vip", Recording: recordOff, Capture: full},
		&wire.EvidenceRule{Id: "f", Priority: 1, Disabled: true, Recording: recordOff},
	)
	for name, c := range map[string]struct {
		parties routing.Parties
		want    routing.Evidence
	}{
		"anybody":          {routing.Parties{Originator: "o2"}, routing.Evidence{Record: true, RecordRule: "a-last", Capture: sipOnly, CaptureRule: "a-last"}},
		"both peers":       {routing.Parties{Originator: "o1", Terminator: "t1"}, routing.Evidence{RecordRule: "b", Capture: sipOnly, CaptureRule: "a-last"}},
		"one peer":         {routing.Parties{Originator: "o1"}, routing.Evidence{Record: true, RecordRule: "a-last", Capture: sipOnly, CaptureRule: "a-last"}},
		"both numbers":     {routing.Parties{Caller: "4911", Called: "331"}, routing.Evidence{Record: true, RecordRule: "a-last", Capture: full, CaptureRule: "c"}},
		"one number":       {routing.Parties{Caller: "4911", Called: "341"}, routing.Evidence{Record: true, RecordRule: "a-last", Capture: sipOnly, CaptureRule: "a-last"}},
		"who calls":        {routing.Parties{Originator: "subscriber/anna"}, routing.Evidence{Record: true, RecordRule: "a-last", Capture: 1, CaptureRule: "d"}},
		"who is called":    {routing.Parties{Originator: "o1", Terminator: "subscriber/anna"}, routing.Evidence{Record: true, RecordRule: "a-last", Capture: 1, CaptureRule: "d"}},
		"who only is so":   {routing.Parties{Originator: "anna"}, routing.Evidence{Record: true, RecordRule: "a-last", Capture: sipOnly, CaptureRule: "a-last"}},
		"listed caller":    {routing.Parties{Caller: "4930"}, routing.Evidence{RecordRule: "e", Capture: full, CaptureRule: "e"}},
		"listed called":    {routing.Parties{Called: "4411"}, routing.Evidence{RecordRule: "e", Capture: full, CaptureRule: "e"}},
		"listed elsewhere": {routing.Parties{Called: "49301"}, routing.Evidence{Record: true, RecordRule: "a-last", Capture: sipOnly, CaptureRule: "a-last"}},
	} {
		if got := w.Evidence(c.parties); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	if !w.EvidenceAwaits() || !w.KeepsEvidence() {
		t.Error("a rule's terminators are not waited for")
	}
	if none := keeping(); none.EvidenceAwaits() || none.KeepsEvidence() || none.Evidence(routing.Parties{Originator: "o1"}) != (routing.Evidence{}) {
		t.Error("without rules something is kept")
	}
}

// TestEvidenceIsSampled: a share of the calls is drawn, always the same ones, and
// each rule draws for itself.
func TestEvidenceIsSampled(t *testing.T) {
	w := keeping(
		&wire.EvidenceRule{Id: "a", PerMille: 100, Recording: recordOn},
		&wire.EvidenceRule{Id: "b", PerMille: 100, Capture: full},
	)
	var recorded, captured, both int
	const calls = 10_000
	for i := range calls {
		p := routing.Parties{}
		binary.BigEndian.PutUint64(p.Call[8:], uint64(i+1))
		e := w.Evidence(p)
		if e != w.Evidence(p) {
			t.Fatal("a call draws twice")
		}
		if e.Record {
			recorded++
		}
		if e.Capture != 0 {
			captured++
		}
		if e.Record && e.Capture != 0 {
			both++
		}
	}
	if recorded < 900 || recorded > 1100 || captured < 900 || captured > 1100 || both < 50 || both > 150 {
		t.Errorf("%d recorded, %d captured, %d both, of %d", recorded, captured, both, calls)
	}
}
