package server_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tollbook/tollbook/graphql/model"
)

func TestOneCall(t *testing.T) {
	f := newFixture(t, noon)
	data := f.as("fiona").must(`query($id: ID!) { call(id: $id) {
		legs { leg direction state caller called answered cause talk pdd customerCompanyId vendorCompanyId terminatorId routeId
			price { side prefix destination billed net { amount currency } tax { amount } gross { amount } }
			cost { amount currency } margin { amount currency } media { packets mos } }
		events { journal position kind leg text json }
		priceLines { side leg deckId deckVersion prefix row billedSeconds firstSeconds exact rounding decimals taxRate net { amount } position }
		candidates { rank terminatorId priceNext }
		entries { accountName kind amount { amount currency } balance { amount } callId }
		asOf { position lagMs } } }`, map[string]any{"id": model.CallID(f.answered)})
	for path, want := range map[string]string{
		"call.legs.0.direction":          "INGRESS",
		"call.legs.0.state":              "FINAL",
		"call.legs.0.talk":               "73.412",
		"call.legs.0.price.side":         "SELL",
		"call.legs.0.price.billed":       "78.000",
		"call.legs.0.price.net.amount":   "0.040300",
		"call.legs.0.price.tax.amount":   "0.008100",
		"call.legs.2.vendorCompanyId":    "company:globex",
		"call.legs.2.price.side":         "BUY",
		"call.legs.1.cause":              "vendor_failed",
		"call.priceLines.0.rounding":     "HALF_UP",
		"call.priceLines.0.exact":        "0.0403",
		"call.candidates.0.terminatorId": "terminator:umbrella-fra",
		"call.entries.0.kind":            "CHARGE",
	} {
		if got := data.text(path); got != want {
			t.Errorf("%s = %q, want %q", path, got, want)
		}
	}
	if n := data.len("call.events"); n < 9 {
		t.Errorf("%d events", n)
	}
}

func TestCDRsPage(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("noel")
	query := `query($f: CdrFilter, $after: Cursor) { cdrs(filter: $f, first: 5, after: $after) {
		edges { cursor } nodes { id setupAt } pageInfo { hasNextPage hasPreviousPage endCursor } } }`
	seen := map[string]bool{}
	var after any
	for {
		data := c.must(query, map[string]any{"f": map[string]any{"direction": "INGRESS"}, "after": after})
		for i := range data.len("cdrs.nodes") {
			id := data.at("cdrs.nodes").([]any)[i].(map[string]any)["id"].(string)
			if seen[id] {
				t.Fatalf("%s came twice", id)
			}
			seen[id] = true
		}
		if data.at("cdrs.pageInfo.hasNextPage") == false {
			break
		}
		after = data.at("cdrs.pageInfo.endCursor")
	}
	if len(seen) != callCount()+4 {
		t.Errorf("%d calls, want %d", len(seen), callCount()+4)
	}
	c.refused("INVALID", `{ cdrs { nodes { id } } }`, nil)
	c.refused("INVALID", `{ cdrs(first: 501) { nodes { id } } }`, nil)
	c.refused("INVALID", `{ cdrs(first: 1, after: "nonsense") { nodes { id } } }`, nil)
	c.refused("UNAVAILABLE", `{ cdrs(first: 1, atLeast: "999999") { nodes { id } } }`, nil)
}

func TestOverview(t *testing.T) {
	f := newFixture(t, noon)
	data := f.as("noel").must(`{ overview { callsNow talkingNow window { attempts asr acd pdd } minutes { at attempts answered }
		today { currency charged { amount } cost { amount } margin { amount } } ledgerSums { amount currency } } }`, nil)
	for path, want := range map[string]string{
		"overview.window.asr": "0.4533", "overview.window.acd": "142.000", "overview.window.pdd": "1.710",
		"overview.ledgerSums.0.amount": "0.000000", "overview.today.0.currency": "EUR",
	} {
		if got := data.text(path); got != want {
			t.Errorf("%s = %q, want %q", path, got, want)
		}
	}
}

func TestLimits(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("root")
	c.refused("LIMIT_EXCEEDED", "{"+strings.Repeat(" company(id: \"acme\") { accounts { company { accounts { company { accounts { company { accounts", 1)+
		"{ company { accounts { company { accounts { company { accounts { company { accounts { id } } } } } } } } } } } } } } } } }", nil)
	var aliases strings.Builder
	for i := range 31 {
		aliases.WriteString(" a" + string(rune('a'+i%26)) + string(rune('a'+i/26)) + ": viewer { actor }")
	}
	c.refused("LIMIT_EXCEEDED", "{"+aliases.String()+"}", nil)
	c.refused("COMPLEXITY_LIMIT_EXCEEDED", `{ accounts(first: 500) { nodes { entries(first: 500) { nodes { id } } } } }`, nil)
	bomb := "query { ...a00 }"
	for i := range 12 {
		next := "viewer { actor }"
		if i < 11 {
			next = "...a" + itoa(i+1) + " ... on Query { ...a" + itoa(i+1) + " }"
		}
		bomb += " fragment a" + itoa(i) + " on Query { " + next + " }"
	}
	c.refused("LIMIT_EXCEEDED", bomb, nil)
	a := c.ask(`{ accounts(first: 10) { nodes { id } } }`, nil)
	if cost, _ := a.Extensions["cost"].(map[string]any); cost["cost"] != float64(21) {
		t.Errorf("cost: %v", a.Extensions)
	}
	a = c.ask(`{ report(filter: {from: "2026-11-22T00:00:00Z"}, first: 100) { rows { attempts } } }`, nil)
	if cost, _ := a.Extensions["cost"].(map[string]any); cost["cost"] != float64(1000+100*2/10) {
		t.Errorf("a report costs %v", a.Extensions)
	}
	if a := f.client().ask(`{ __schema { queryType { name } } }`, nil); len(a.Errors) == 0 {
		t.Error("the schema is shown to strangers")
	}
	c.must(`{ __schema { queryType { name } } }`, nil)
	r := c.request(`{ viewer { actor } }`+strings.Repeat(" ", 5<<20), nil)
	if w := c.send(r); strings.Contains(w.Body.String(), "user:root") {
		t.Error("a body of 5 MB was taken")
	}
}

func itoa(i int) string { return string(rune('0'+i/10)) + string(rune('0'+i%10)) }

func TestExport(t *testing.T) {
	f := newFixture(t, noon)
	get := func(c *client, query string) *httptest.ResponseRecorder {
		return c.send(httptest.NewRequest(http.MethodGet, "/export/cdrs.csv"+query, nil))
	}
	if w := get(f.client(), ""); w.Code != http.StatusUnauthorized {
		t.Errorf("a stranger gets %d", w.Code)
	}
	all := strings.Count(get(f.as("root"), "").Body.String(), "\n")
	own := get(f.as("bert"), "").Body.String()
	if n := strings.Count(own, "\n"); n < 2 || n >= all {
		t.Errorf("the partner gets %d of %d lines", n, all)
	}
	for _, foreign := range []string{"acme", "globex", "umbrella"} {
		if strings.Contains(own, foreign) {
			t.Errorf("the partner's export names %s", foreign)
		}
	}
	if n := strings.Count(get(f.as("root"), "?callId=call:"+f.answered.String()).Body.String(), "\n"); n != 4 {
		t.Errorf("one call has %d lines, want 4", n)
	}
	if w := get(f.as("root"), "?answered=perhaps"); w.Code != http.StatusBadRequest {
		t.Errorf("a bad filter gets %d", w.Code)
	}
}

func TestSite(t *testing.T) {
	f := newFixture(t, noon)
	for path, want := range map[string]int{
		"/": 200, "/cdrs/xyz": 200, "/assets/none.js": 404, "/-/healthy": 200, "/-/ready": 200, "/-/nothing": 404, "/graphql": 426,
	} {
		w := f.client().send(httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != want {
			t.Errorf("GET %s: %d, want %d", path, w.Code, want)
		}
		if !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("GET %s has no policy", path)
		}
	}
}
