package server_test

import (
	"fmt"
	"testing"

	"github.com/tollbook/tollbook/graphql/model"
)

// What is received on a running call is seen by who may see the leg.
func TestLiveMedia(t *testing.T) {
	f := newFixture(t, noon)
	query := `query($c: ID!) { liveCall(call: $c) { id media { at
		a { packets mos codec srtp rttMs reported { lost } dropped { source } }
		b { packets lost duplicates reordered gaps jitter jitterMs meanJitterMs maxJitterMs longestSilence mos rttMs maxRttMs codec srtp
			reported { reports lost jitterMs mos discarded } dropped { source malformed noPeer send auth replay } } } } }`
	id := map[string]any{"c": model.CallID(f.running)}
	got := f.as("noel").must(query, id)
	for path, want := range map[string]string{
		"a.packets": "500", "a.mos": "4.38", "a.srtp": "AEAD_AES_128_GCM", "a.rttMs": "<nil>", "a.reported": "<nil>", "a.dropped.source": "0",
		"b.packets": "1000", "b.lost": "50", "b.duplicates": "3", "b.reordered": "4", "b.gaps": "40", "b.mos": "3.01",
		"b.jitter": "0.002", "b.jitterMs": "2.500", "b.meanJitterMs": "1.500", "b.maxJitterMs": "9.000", "b.longestSilence": "0.320",
		"b.rttMs": "80.000", "b.maxRttMs": "90.000", "b.codec": "PCMA", "b.srtp": "",
		"b.reported.reports": "4", "b.reported.lost": "7", "b.reported.jitterMs": "1.250", "b.reported.mos": "4.12", "b.reported.discarded": "0.250000",
		"b.dropped.source": "6", "b.dropped.malformed": "5", "b.dropped.noPeer": "4", "b.dropped.send": "3", "b.dropped.auth": "2", "b.dropped.replay": "1",
	} {
		if text := fmt.Sprint(got.at("liveCall.media." + path)); text != want {
			t.Errorf("%s is %q, want %q", path, text, want)
		}
	}
	if got := f.as("adam").must(query, id); fmt.Sprint(got.at("liveCall.media.a.packets")) != "500" || got.at("liveCall.media.b") != nil {
		t.Errorf("a customer sees %v", got)
	}
	if got := f.as("bert").must(query, id); got.at("liveCall") != nil {
		t.Errorf("a stranger sees %v", got)
	}
	f.deaf = true
	if got := f.as("noel").must(query, id); got.text("liveCall.id") == "" || got.at("liveCall.media") != nil {
		t.Errorf("of a node that does not answer: %v", got)
	}
}
