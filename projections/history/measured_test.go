package history

import (
	"slices"
	"strconv"
	"testing"

	"github.com/tollbook/tollbook/events/wire"
)

// Every figure of a leg's media has a column, and none is in another's place.
func TestMeasuredColumns(t *testing.T) {
	row := Measured(&wire.MediaQuality{
		Packets: 1, Bytes: 2, Lost: 3, Duplicates: 4, Reordered: 5, JitterUs: 6, MosCenti: 7, Rejected: 8, Srtp: "AEAD_AES_128_GCM",
		MeanJitterUs: 9, MaxJitterUs: 10, Gaps: 11, LongestSilenceMs: 12, RttUs: 13, MaxRttUs: 14,
		Reported:   &wire.ReportedQuality{Reports: 15, Lost: 16, JitterUs: 17, MosCenti: 18, Discarded_256: 19},
		Dropped:    &wire.DroppedPackets{Source: 20, Malformed: 21, NoPeer: 22, Send: 23, Auth: 24, Replay: 25},
		DtmfEvents: 26,
	})
	cells := pointers(&row, nil)
	for i, name := range []string{
		"packets", "bytes", "lost", "duplicates", "reordered", "jitter_us", "mos_centi", "rejected",
		"mean_jitter_us", "max_jitter_us", "gaps", "longest_silence_ms", "rtt_us", "max_rtt_us",
		"reported", "reported_lost", "reported_jitter_us", "reported_mos_centi", "reported_discarded_256",
		"dropped_source", "dropped_malformed", "dropped_no_peer", "dropped_send", "dropped_auth", "dropped_replay", "dtmf_events",
	} {
		at := slices.Index(Columns(), name)
		if at < 0 || text(cells[at]) != strconv.Itoa(i+1) {
			t.Errorf("column %s (%d) is %v, want %d", name, at, cells, i+1)
		}
	}
	if at := slices.Index(Columns(), "srtp"); text(cells[at]) != "AEAD_AES_128_GCM" {
		t.Errorf("%v", text(cells[at]))
	}
}
