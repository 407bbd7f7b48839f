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
	c := Default()
	c.Files.Recordings = "many"
	if _, err := c.parse(); err == nil || !strings.Contains(err.Error(), "files.recordings") {
		t.Errorf("got %v", err)
	}
}
