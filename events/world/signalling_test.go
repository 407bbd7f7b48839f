package world_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/events/world"
)

const signalling = `
companies:
  - {id: co, accounts: [{id: in, currency: USD, kind: customer}, {id: out, currency: USD, kind: vendor}]}
decks: [{id: d, currency: USD}]
terminators:
  - {id: t, company: co, account: out, buy_deck: d, host: sip.vendor.test, transport: tls, listener: core, nodes: [n1, n2], nodes_failover: true,
     sip: {srtp: require, srtp_suites: [AEAD_AES_128_GCM]},
     ping: {interval: 30s, timeout: 1500ms, up_codes: [200, 404], down_after: 2}}
route_plans: [{id: p}]
originators:
  - {id: o, company: co, account: in, sell_deck: d, route_plan: p, networks: [192.0.2.0/24], listener: core, certificate: sip.acme.test, nodes: [n2], redirect: true}
registrations:
  - {id: home, originator: o, registrar: sip.home.test, proxy: "edge.home.test:5070", user: "10", password: hush, expiry: 10m, node: n1}
`

// put applies a document and counts what it changes.
func put(t *testing.T, cat *catalog.State, document string) (*catalog.State, int) {
	t.Helper()
	cat, e := apply(t, cat, []byte(document), &plain{})
	return cat, len(e.Changes)
}

func TestSignalling(t *testing.T) {
	cat, _ := put(t, catalog.New(), signalling)
	if p := cat.Terminator("t").Ping; p.IntervalS != 30 || p.TimeoutMs != 1500 || len(p.UpCodes) != 2 || p.DownAfter != 2 || cat.Terminator("t").Listener != "core" {
		t.Errorf("%v", cat.Terminator("t"))
	}
	if to, from := cat.Terminator("t"), cat.Originator("o"); !slices.Equal(to.Nodes, []string{"n1", "n2"}) || !to.NodesFailover || !slices.Equal(from.Nodes, []string{"n2"}) || from.NodesFailover || !from.Redirect {
		t.Errorf("%v, %v", to, from)
	}
	if s := cat.Terminator("t").Sip; s.Srtp != wire.Srtp_SRTP_REQUIRE || len(s.SrtpSuites) != 1 {
		t.Errorf("%v", s)
	}
	if o := cat.Originator("o"); o.Listener != "core" || o.Certificate != "sip.acme.test" {
		t.Errorf("%v", o)
	}
	g := cat.Registration("home")
	if g.ExpiryS != 600 || string(g.Secret) != "registration home:hush" || g.Proxy != "edge.home.test:5070" || g.Node != "n1" {
		t.Errorf("%v", g)
	}
	if _, n := put(t, cat, signalling); n != 0 {
		t.Errorf("applying it again makes %d changes", n)
	}
	// A document without the password keeps it, one with another changes it.
	kept, n := put(t, cat, strings.Replace(signalling, "password: hush, ", "", 1))
	if n != 0 || string(kept.Registration("home").Secret) != string(g.Secret) {
		t.Errorf("%d changes, %v", n, kept.Registration("home"))
	}
	if other, _ := put(t, cat, strings.Replace(signalling, "hush", "loud", 1)); string(other.Registration("home").Secret) != "registration home:loud" {
		t.Errorf("%v", other.Registration("home"))
	}
	for edit, want := range map[string]string{
		"interval: 30s": `terminators[0] "t": ping: interval "" is not at least a second`,
		"expiry: 10m":   `registrations[0] "home": expiry "soon"`,
		"srtp: require": `terminators[0] "t": sip: srtp "maybe" is none of never, offer and require`,
	} {
		with := map[string]string{"interval: 30s": "interval: ''", "expiry: 10m": "expiry: soon", "srtp: require": "srtp: maybe"}[edit]
		_, err := world.Read([]byte(strings.Replace(signalling, edit, with, 1)), catalog.New(), &plain{}, boxes{})
		if events.CodeOf(err) != events.CodeInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", with, err, want)
		}
	}
}
