package server_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// TestSignalling puts pings, listeners and registrations and reads them back, their
// states, and no password.
func TestSignalling(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("noel")
	for _, mutation := range []string{
		`originatorPut(input: {key: "acme-1", listener: "core", certificate: "sip.acme.test", redirect: true})`,
		`terminatorPut(input: {key: "globex-ams", listener: "edge", transport: "tls", authUser: "us", authPassword: "hush",
			ping: {interval: "30", timeout: "1.5", upCodes: [200, 404], downAfter: 2}})`,
		`registrationPut(input: {key: "home", originator: "originator:acme-1", registrar: "sip.home.test", user: "10", password: "hush", expiry: "600"})`,
	} {
		if got := c.must("mutation { e: "+mutation+" { userErrors { path message } } }", nil); len(got["e"].(map[string]any)["userErrors"].([]any)) > 0 {
			t.Errorf("%s: %v", mutation, got)
		}
	}
	if v := f.Catalog().Terminator("globex-ams"); v.Ping.IntervalS != 30 || v.Ping.TimeoutMs != 1500 || string(v.AuthSecret) != "wrapped for terminator globex-ams: hush" {
		t.Errorf("%v", v)
	}
	if g := f.Catalog().Registration("home"); g.ExpiryS != 600 || string(g.Secret) != "wrapped for registration home: hush" {
		t.Errorf("%v", g)
	}
	f.down = map[string]bool{"globex-ams": true}
	query := `{ terminators(first: 9) { nodes { key listener ping { interval upCodes downAfter } state { up reason address } } }
		registrations(first: 9) { nodes { id key originator { key listener certificate redirect } user hasPassword expiry state { registered contact } } } }`
	got := c.must(query, nil)
	for path, want := range map[string]string{
		"terminators.nodes.0.listener": "edge", "terminators.nodes.0.ping.interval": "30.000", "terminators.nodes.0.state.reason": "no answer",
		"registrations.nodes.0.id": "registration:home", "registrations.nodes.0.originator.certificate": "sip.acme.test",
		"registrations.nodes.0.expiry": "600.000", "registrations.nodes.0.state.contact": "sip:x@192.0.2.1",
	} {
		if got.text(path) != want {
			t.Errorf("%s is %q, want %q", path, got.text(path), want)
		}
	}
	if got.at("registrations.nodes.0.originator.redirect") != true {
		t.Error("its calls are not redirected")
	}
	if audit := c.must(`{ audit(first: 50) { nodes { changes { before after } } } }`, nil); strings.Contains(fmt.Sprint(audit), "hush") || strings.Contains(fmt.Sprint(audit), base64.StdEncoding.EncodeToString([]byte("wrapped for registration home: hush"))) {
		t.Error("the audit shows a password")
	}
	sim := c.must(`query($i: RouteSimulateInput!) { routeSimulate(input: $i) { decision { choices { rejected } } } }`, map[string]any{"i": map[string]any{"originator": "acme-1", "called": "3312345678"}})
	if !strings.Contains(fmt.Sprint(sim), "down") {
		t.Errorf("the simulator sends calls to a vendor that is down: %v", sim)
	}
	// What was left out stays; a ping goes with null; nobody asks a partner's question.
	c.must(`mutation { registrationPut(input: {key: "home", disabled: true}) { userErrors { message } }
		terminatorPut(input: {key: "globex-ams", ping: null, authUser: ""}) { userErrors { message } } }`, nil)
	if g := f.Catalog().Registration("home"); !g.Disabled || len(g.Secret) == 0 {
		t.Errorf("%v", g)
	}
	if v := f.Catalog().Terminator("globex-ams"); v.Ping != nil || len(v.AuthSecret) > 0 {
		t.Errorf("%v", v)
	}
	wrong := c.must(`mutation { registrationPut(input: {key: "home", expiry: "5"}) { userErrors { message } } }`, nil)
	if !strings.Contains(wrong.text("registrationPut.userErrors.0.message"), "60 to 86400") {
		t.Errorf("%v", wrong)
	}
	c.must(`mutation { registrationRemove(input: {id: "registration:home"}) { userErrors { message } } }`, nil)
	if f.Catalog().Registration("home") != nil {
		t.Error("it is still there")
	}
}
