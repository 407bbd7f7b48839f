package server_test

import (
	"net/http"
	"strings"
	"testing"
)

// Peers are told where to find us; when that changes they are to be told again, and a
// partner sees his own sheet alone.
func TestInterconnect(t *testing.T) {
	f := newFixture(t, noon)
	const stale = `{ interconnects(stale: true) { peer key current } }`
	const tell = `mutation ($p: ID!) { interconnectTold(input: {peer: $p}) { interconnect { toldAt current } position userErrors { code path } } }`
	const sheets = `{ originators(first: 1) { nodes { id interconnect { domain current signalling { node listener address transport port } media { node address portFrom portTo } codecs url } } }
		terminators(first: 1) { nodes { interconnect { peer } } } }`
	noel := f.as("noel")
	got := noel.must(sheets, nil)
	for path, want := range map[string]string{
		"originators.nodes.0.interconnect.domain":               "sip.test",
		"originators.nodes.0.interconnect.signalling.0.address": "192.0.2.100", // the one that is shared is in front
		"originators.nodes.0.interconnect.signalling.1.node":    "n1",
		"originators.nodes.0.interconnect.media.0.address":      "192.0.2.1",
	} {
		if got.text(path) != want {
			t.Errorf("%s is %q, want %q", path, got.text(path), want)
		}
	}
	if got.at("terminators.nodes.0.interconnect.peer") == nil {
		t.Error("a terminator has no sheet")
	}
	peer := got.text("originators.nodes.0.id")
	isStale := func() bool {
		t.Helper()
		list, _ := noel.must(stale, nil).at("interconnects").([]any)
		for _, one := range list {
			if one.(map[string]any)["peer"] == peer {
				return true
			}
		}
		return false
	}
	if !isStale() {
		t.Error("who was never told is not to be told")
	}
	if got := noel.must(tell, map[string]any{"p": peer}); got.at("interconnectTold.interconnect.current") != true || got.text("interconnectTold.interconnect.toldAt") == "" {
		t.Errorf("%v", got.at("interconnectTold"))
	}
	if isStale() {
		t.Error("who was told is to be told again")
	}
	f.mu.Lock()
	f.moved = 1
	f.mu.Unlock()
	if !isStale() {
		t.Error("a port has changed, and nobody is to be told")
	}
	if got := noel.must(tell, map[string]any{"p": "originator:nobody"}); got.text("interconnectTold.userErrors.0.code") != "NOT_FOUND" {
		t.Errorf("%v", got.at("interconnectTold"))
	}
	adam := f.as("adam")
	adam.refused("FORBIDDEN", stale, nil)
	url := got.text("originators.nodes.0.interconnect.url")
	for format, start := range map[string]string{"pdf": "%PDF-1.4", "yaml": "peer: ", "csv": "what,node"} {
		if res := noel.get(url+"&format="+format, ""); res.Code != http.StatusOK || !strings.HasPrefix(res.Body.String(), start) {
			t.Errorf("%s: %d %.40s", format, res.Code, res.Body.String())
		}
	}
	for path, want := range map[string]int{url + "&format=doc": 400, "/export/interconnect?peer=originator:nobody": 404} {
		if res := noel.get(path, ""); res.Code != want {
			t.Errorf("%s: %d", path, res.Code)
		}
	}
	if res := f.client().get(url, ""); res.Code != http.StatusUnauthorized {
		t.Errorf("a stranger gets %d", res.Code)
	}
}
