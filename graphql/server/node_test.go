package server_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tollbook/tollbook/graphql/resolve"
	"github.com/tollbook/tollbook/graphql/server"
)

func TestThisNode(t *testing.T) {
	f := newFixture(t, noon)
	const query = `{ thisNode { name version startedAt calls maxCalls callsBegun draining overload { perSecond waiting refused }
		badDescriptions malformedMessages rejectedMessages bannedSources transactions connections mediaDrops { reason packets } memory mediaEngine mediaEngineReason mediaByKernel } }`
	data := f.as("noel").must(query, nil)
	for path, want := range map[string]string{
		"thisNode.name": "n1", "thisNode.mediaEngine": "ebpf", "thisNode.mediaEngineReason": "it loads", "thisNode.mediaDrops.0.reason": "source", "thisNode.memory": "123456789",
	} {
		if got := data.text(path); got != want {
			t.Errorf("%s = %q, want %q", path, got, want)
		}
	}
	for path, want := range map[string]float64{
		"thisNode.overload.perSecond": 120, "thisNode.overload.refused": 41, "thisNode.badDescriptions": 5, "thisNode.callsBegun": 1<<31 - 1,
		"thisNode.malformedMessages": 6, "thisNode.rejectedMessages": 9, "thisNode.transactions": 7, "thisNode.mediaDrops.0.packets": 12, "thisNode.mediaByKernel": 75,
	} {
		if got := data.at(path); got != want {
			t.Errorf("%s = %v, want %v", path, got, want)
		}
	}
	if drops, ok := data.at("thisNode.mediaDrops").([]any); !ok || len(drops) != 1 {
		t.Errorf("drops: %v", data.at("thisNode.mediaDrops"))
	}
	f.client().refused("UNAUTHENTICATED", query, nil)
}

// Metrics are for who watches the whole switch.
func TestMetricsAreNotForAll(t *testing.T) {
	f := newFixture(t, noon)
	handler := server.New(server.Config{
		Resolver: &resolve.Resolver{Backend: f, History: f.history, CDRs: f.stores(), Door: f.door, Now: noon}, Door: f.door,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }),
	})
	for user, want := range map[string]int{"": 401, "adam": 403, "fiona": 403, "noel": http.StatusTeapot, "root": http.StatusTeapot} {
		req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		if user != "" {
			for _, c := range f.as(user).cookies {
				req.AddCookie(c)
			}
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, req)
		if w.Code != want {
			t.Errorf("%q gets %d, want %d", user, w.Code, want)
		}
	}
}

func (s *fakeSwitch) Stands() resolve.NodeState {
	return resolve.NodeState{
		Name: "n1", Version: "0.1.0", Started: s.now(), Calls: 3, MaxCalls: 5000, Begun: 1 << 40, PerSecond: 120, Waiting: 7, Refused: 41,
		BadDescriptions: 5, Malformed: 6, Rejected: 9, Banned: 2, Servers: 4, Clients: 3, Connections: 1,
		Drops: []resolve.Drop{{Reason: "source", Packets: 12}, {Reason: "send"}}, Memory: 123456789,
		Engine: "ebpf", Why: "it loads", Packets: 400, KernelPackets: 300,
	}
}

// A node is drained by whoever watches the switch, from any node.
func TestDrain(t *testing.T) {
	f := newFixture(t, noon)
	const drain = `mutation ($n: String!) { nodeDrain(input: {node: $n}) { member { name draining holds } userErrors { code message path } } }`
	const undrain = `mutation ($n: String!) { nodeUndrain(input: {node: $n}) { member { draining } userErrors { code } } }`
	noel := f.as("noel")
	if got := noel.must(drain, map[string]any{"n": "n1"}); got.at("nodeDrain.member.draining") != true || got.text("nodeDrain.member.holds.0") != "192.0.2.100" {
		t.Errorf("%v", got.at("nodeDrain"))
	}
	if got := noel.must(undrain, map[string]any{"n": "n1"}); got.at("nodeUndrain.member.draining") != false {
		t.Errorf("%v", got.at("nodeUndrain"))
	}
	for node, code := range map[string]string{"n2": "UNAVAILABLE", "n9": "NOT_FOUND"} {
		if got := noel.must(drain, map[string]any{"n": node}); got.text("nodeDrain.userErrors.0.code") != code {
			t.Errorf("%s: %v", node, got.at("nodeDrain"))
		}
	}
	f.as("fiona").refused("FORBIDDEN", drain, map[string]any{"n": "n1"})
}
