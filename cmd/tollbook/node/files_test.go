package node

import (
	"strings"
	"testing"
)

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]uint64{"0": 0, "17": 17, "64kB": 64_000, "500 MB": 500_000_000, "1GB": 1e9, "2TB": 2e12} {
		if got, err := parseBytes(text); err != nil || got != want {
			t.Errorf("%q is %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "GB", "-1", "1.5GB", "1gb", "99999999TB"} {
		if got, err := parseBytes(text); err == nil {
			t.Errorf("%q is taken for %d", text, got)
		}
	}
}

func TestFilesConfig(t *testing.T) {
	for _, c := range []struct {
		files Files
		want  string // "" is taken
	}{
		{Files{Recordings: "many"}, "files.recordings"},
		{Files{RecordingDays: -1}, "files.recording_days"},
		{Files{CaptureDays: maxDays + 1}, "files.capture_days"},
		{Files{Bandwidth: "fast"}, "files.bandwidth"},
		{Files{Listen: "203.0.113.1:8873", Peers: []FilePeer{{"n2", "files.example.com:8873"}}}, ""},
		{Files{Listen: "127.0.0.1"}, "files.listen"},
		{Files{Listen: "127.0.0.1:8873", Plain: true, Peers: []FilePeer{{"n2", "10.0.0.2:8873"}}}, ""},
		{Files{Listen: "203.0.113.1:8873", Plain: true}, "files.plain"},
		{Files{Listen: "0.0.0.0:8873", Plain: true}, "files.plain"},
		{Files{Plain: true, Peers: []FilePeer{{"n2", "203.0.113.2:8873"}}}, "files.peers[0].address"},
		{Files{Plain: true, Peers: []FilePeer{{"n2", "files.example.com:8873"}}}, "files.plain"},
		{Files{Peers: []FilePeer{{"n1", "10.0.0.2:8873"}}}, "files.peers[0].node"},
		{Files{Peers: []FilePeer{{"n2", "10.0.0.2:8873"}, {"n2", "10.0.0.3:8873"}}}, "files.peers[1].node"},
		{Files{Peers: []FilePeer{{"../n2", "10.0.0.2:8873"}}}, "files.peers[0].node"},
		{Files{Peers: []FilePeer{{"n2", "10.0.0.2"}}}, "files.peers[0].address"},
		{Files{Peers: make([]FilePeer, maxFilePeers+1)}, "64 at most"},
	} {
		config := Default()
		for _, size := range []*string{&c.files.Floor, &c.files.Recordings, &c.files.Captures, &c.files.Bandwidth} {
			if *size == "" {
				*size = "0"
			}
		}
		config.Files = c.files
		_, err := config.parse()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: got %v, want %q", c.files, err, c.want)
		}
	}
}
