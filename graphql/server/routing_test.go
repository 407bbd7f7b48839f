package server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tollbook/tollbook/events/wire"
)

// TestRoutingEdits puts every new field and reads it back.
func TestRoutingEdits(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("noel")
	got := c.must(`mutation { numberListPut(input: {key: "bad", name: "Bad", prefixes: ["4490"], numbers: ["331"]}) {
		numberList { id key name prefixes numbers } userErrors { message } } }`, nil)
	if got.text("numberListPut.numberList.id") != "number-list:bad" {
		t.Fatalf("%v", got)
	}
	for _, mutation := range []string{
		`originatorPut(input: {key: "acme-1", minimumMarginShare: "0.05",
			rewrites: [{field: CALLED, pattern: "^00", replacement: "", last: true}],
			lists: [{list: "number-list:bad", field: CALLED}], prefixLimits: [{prefix: "53", channels: 2}]})`,
		`terminatorPut(input: {key: "globex-ams", callsPerSecond: 9, rewrites: [{field: CALLER, pattern: "^", replacement: "+"}],
			sip: {codecs: ["PCMA"], headers: ["Privacy"], trusted: true, without: ["100rel"], followRedirects: true, session: "600"}})`,
		`routePlanPut(input: {key: "standard", order: [{criterion: PRIORITY}, {criterion: QUALITY, figure: ASR, window: 900, step: 50000}],
			huntRules: [{sipCode: 486, q850: 17, stop: true}]})`,
		`routePut(input: {plan: "route-plan:standard", prefix: "33", terminator: "terminator:globex-ams", callerPrefixes: ["44"],
			hours: [{fromMinute: 480, toMinute: 1080}], timeZone: "Europe/Riga", pddTimeout: "1.5", ringTimeout: "30"})`,
	} {
		if got := c.must("mutation { e: "+mutation+" { userErrors { path message } } }", nil); len(got["e"].(map[string]any)["userErrors"].([]any)) > 0 {
			t.Errorf("%s: %v", mutation, got)
		}
	}
	cat := f.Catalog()
	if o := cat.Originator("acme-1"); o.MinimumMarginPpm != 50_000 || len(o.Rewrites) != 1 || !o.Rewrites[0].Last || o.Lists[0].List != "bad" || o.PrefixLimits[0].Channels != 2 {
		t.Errorf("%v", o)
	}
	if v := cat.Terminator("globex-ams"); v.CallsPerSecond != 9 || v.Rewrites[0].Field != wire.NumberField_NUMBER_FIELD_CALLER ||
		!v.Sip.FollowRedirects || !v.Sip.Trusted || v.Sip.SessionS != 600 || v.Sip.Codecs[0] != "PCMA" || v.Sip.Without[0] != "100rel" {
		t.Errorf("%v", v)
	}
	if p := cat.RoutePlan("standard"); len(p.Order) != 2 || p.Order[1].Step != 50_000 || !p.HuntRules[0].Stop {
		t.Errorf("%v", p)
	}
	sip := c.must(`{ terminators(first: 50) { nodes { key sip { codecs headers trusted without followRedirects session } } } }`, nil)
	if text := fmt.Sprint(sip); !strings.Contains(text, "codecs:[PCMA] followRedirects:true headers:[Privacy] session:600") {
		t.Errorf("%v", sip)
	}
	bad := c.must(`mutation { terminatorPut(input: {key: "globex-ams", sip: {codecs: ["a b"]}}) { userErrors { message } } }`, nil)
	if !strings.Contains(fmt.Sprint(bad), "sip.codecs.0") {
		t.Errorf("%v", bad)
	}
	read := c.must(`{ routePlan(id: "route-plan:standard") { order { criterion figure step window } huntRules { sipCode q850 stop } }
		numberLists(first: 5) { nodes { key prefixes } }
		originators(first: 1) { nodes { minimumMarginShare rewrites { field pattern last } lists { listId allow } prefixLimits { prefix channels callsPerSecond } } } }`, nil)
	if read.text("originators.nodes.0.minimumMarginShare") != "0.050000" || read.text("originators.nodes.0.lists.0.listId") != "number-list:bad" ||
		read.text("routePlan.order.1.figure") != "ASR" || read.text("numberLists.nodes.0.prefixes.0") != "4490" {
		t.Errorf("%v", read)
	}
	wrong := c.must(`mutation { routePut(input: {plan: "route-plan:standard", prefix: "33", terminator: "terminator:globex-ams", timeZone: "No/Where"}) { userErrors { path } } }`, nil)
	if wrong.text("routePut.userErrors.0.path") != "input.timeZone" {
		t.Errorf("%v", wrong)
	}
	if got := c.must(`mutation { numberListRemove(input: {id: "number-list:bad"}) { userErrors { code } } }`, nil); got.text("numberListRemove.userErrors.0.code") != "CONFLICT" {
		t.Errorf("a list in use: %v", got)
	}
}

const simulate = `query($i: RouteSimulateInput!) { routeSimulate(input: $i) { originatorId refused called quality
	decision { refused planId choices { rank terminatorId rejected calledOut } } } }`

func TestRouteSimulate(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("noel")
	got := c.must(simulate, map[string]any{"i": map[string]any{"originator": "originator:acme-1", "called": "+33123456789", "caller": "44"}})
	if got.text("routeSimulate.quality") != "now" || got.text("routeSimulate.called") != "33123456789" ||
		got.text("routeSimulate.decision.choices.0.terminatorId") != "terminator:globex-ams" || got.text("routeSimulate.decision.choices.0.calledOut") == "" {
		t.Errorf("%v", got)
	}
	stranger := c.must(simulate, map[string]any{"i": map[string]any{"source": "203.0.113.200:5060", "called": "33"}})
	if diff := cmp.Diff("unknown_source", stranger.text("routeSimulate.refused")); diff != "" {
		t.Error(diff)
	}
	for _, input := range map[string]map[string]any{
		"no number":  {"originator": "originator:acme-1"},
		"nobody":     {"called": "33"},
		"source":     {"called": "33", "source": "here"},
		"originator": {"called": "33", "originator": "deck:acme-sell"},
	} {
		c.refused("INVALID", simulate, map[string]any{"i": input})
	}
	f.as("adam").refused("FORBIDDEN", simulate, map[string]any{"i": map[string]any{"called": "33"}})
}
