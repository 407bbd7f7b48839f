package server_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/resolve"
)

// upload sends a file and reads the answer.
func upload(t *testing.T, c *client, file string, q url.Values) (int, resolve.DeckImported) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/import/deck?"+q.Encode(), strings.NewReader(file))
	r.Header.Set(auth.CSRFHeader, "1")
	w := c.send(r)
	var out resolve.DeckImported
	if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
			t.Fatal(err)
		}
	}
	return w.Code, out
}

func TestDeckFile(t *testing.T) {
	f := newFixture(t, noon)
	before := len(f.Catalog().Versions("acme-sell"))
	q := url.Values{"deck": {"acme-sell"}, "source": {"prices.csv"}, "dryRun": {"true"}}
	file := "prefix,price,effective_from\n49,0.5,\n4930,0.4,2030-01-01\n"
	code, out := upload(t, f.as("root"), file, q)
	if code != http.StatusOK || len(out.Versions) != 2 || out.Counts["new"] == 0 || out.Counts["increase"]+out.Counts["decrease"] == 0 || len(f.Catalog().Versions("acme-sell")) != before {
		t.Fatalf("%d %+v", code, out)
	}
	if len(out.Traffic) == 0 || out.Traffic[0].Old == out.Traffic[0].New {
		t.Errorf("last week by the new prices: %+v", out.Traffic)
	}
	for name, bad := range map[string]string{
		"a line":     "prefix,price\n49,0.5\nx,1\n",
		"a currency": "prefix,price,currency\n49,0.5,GBP\n",
		"an origin":  "prefix,price,origin\n49,0.5,nowhere\n",
		"a bomb":     "PK\x03\x04",
	} {
		q.Set("dryRun", "false")
		if code, out := upload(t, f.as("root"), bad, q); code != http.StatusUnprocessableEntity || out.ErrorCount != 1 || out.Errors[0].Reason == "" {
			t.Errorf("%s: %d %+v", name, code, out)
		}
	}
	if len(f.Catalog().Versions("acme-sell")) != before {
		t.Fatal("half of a file was imported")
	}
	if code, out = upload(t, f.as("fiona"), file, q); code != http.StatusOK || out.Position == 0 {
		t.Fatalf("%d %+v", code, out)
	}
	versions := f.Catalog().Versions("acme-sell")
	if len(versions) != before+2 || versions[before].Source != "prices.csv" {
		t.Errorf("%v", versions)
	}
	code, out = upload(t, f.as("root"), "prefix,price\n49,0.6\n", q)
	if code != http.StatusUnprocessableEntity || !strings.Contains(out.Errors[0].Reason, "would overlap") {
		t.Errorf("before a version to come: %d %+v", code, out)
	}
	for who, want := range map[string]int{"noel": http.StatusForbidden, "bert": http.StatusForbidden} {
		if code, _ := upload(t, f.as(who), file, q); code != want {
			t.Errorf("%s: %d", who, code)
		}
	}
	if code, _ := upload(t, f.as("root"), file, url.Values{"deck": {"none"}}); code != http.StatusNotFound {
		t.Errorf("no such deck: %d", code)
	}
}

func TestDeckNotice(t *testing.T) {
	f := newFixture(t, noon)
	d := f.Catalog().Deck("acme-sell")
	f.put(noon(), "notice", &wire.Deck{Id: d.Id, Name: d.Name, Currency: d.Currency, Decimals: d.Decimals, Company: d.Company, NoticeDays: 7})
	q := url.Values{"deck": {"acme-sell"}}
	code, out := upload(t, f.as("root"), "prefix,price\n49,9\n", q)
	if code != http.StatusUnprocessableEntity || out.Errors[0].Line != 2 || !strings.Contains(out.Errors[0].Reason, "without 7 days' notice") {
		t.Errorf("%d %+v", code, out)
	}
	q.Set("ignoreNotice", "true")
	if code, out = upload(t, f.as("root"), "prefix,price\n49,9\n", q); code != http.StatusOK {
		t.Errorf("%d %+v", code, out)
	}
}

func TestDeckExport(t *testing.T) {
	f := newFixture(t, noon)
	get := func(who, path string) *httptest.ResponseRecorder {
		return f.as(who).send(httptest.NewRequest(http.MethodGet, path, nil))
	}
	w := get("root", "/export/deck.csv?deck=acme-sell")
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), "prefix,destination,price_first") {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	xlsx := get("fiona", "/export/deck.xlsx?deck=acme-sell&version=1").Body.String()
	code, out := upload(t, f.as("root"), xlsx, url.Values{"deck": {"acme-sell"}, "dryRun": {"true"}})
	if code != http.StatusOK || out.Counts["unchanged"] == 0 || len(out.Counts) != 1 {
		t.Errorf("what went out comes in changed: %d %+v", code, out)
	}
	if w := get("bert", "/export/deck.csv?deck=acme-sell"); w.Code != http.StatusForbidden {
		t.Errorf("a partner gets %d", w.Code)
	}
	if w := get("root", "/export/deck.csv?deck=acme-sell&version=99"); w.Code != http.StatusNotFound {
		t.Errorf("no such version: %d", w.Code)
	}
}
