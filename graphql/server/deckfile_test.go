package server_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tollbook/tollbook/graphql/auth"
)

const importMutation = `mutation($input: DeckImportInput!) { deckImport(input: $input) {
	mapping { key } versions { number effectiveFrom rowCount } counts { kind rows }
	changes { kind prefix origin band before after effectiveFrom } errors { line column reason notice unknownColumn } errorCount
	traffic { prefix currency calls unpriced before after } trafficTotals { prefix currency calls before after } position repeated userErrors { code path message } } }`

// multipartRequest is a mutation with a file in its input.
func multipartRequest(t testing.TB, query string, input map[string]any, file string) *http.Request {
	t.Helper()
	input["file"] = nil
	operations, err := json.Marshal(map[string]any{"query": query, "variables": map[string]any{"input": input}})
	if err != nil {
		t.Fatal(err)
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	err = errors.Join(form.WriteField("operations", string(operations)), form.WriteField("map", `{"0":["variables.input.file"]}`))
	part, partErr := form.CreateFormFile("0", "prices.csv")
	if err = errors.Join(err, partErr); err == nil {
		_, err = part.Write([]byte(file))
	}
	if err = errors.Join(err, form.Close()); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/graphql", &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set(auth.CSRFHeader, "1")
	return r
}

// imported is the payload of an import.
type imported struct{ tree }

// count is how many rows change in one way.
func (i imported) count(kind string) int {
	list, _ := i.at("counts").([]any)
	for _, c := range list {
		if c := tree(c.(map[string]any)); c.text("kind") == kind {
			return int(c.at("rows").(float64))
		}
	}
	return 0
}

// importDeck sends a file for the deck acme-sell with a key of its own.
func (c *client) importDeck(file string, input map[string]any) imported {
	c.t.Helper()
	all := map[string]any{"deck": "acme-sell", "idempotencyKey": fmt.Sprintf("%x-%v", len(file), input)}
	for k, v := range input {
		all[k] = v
	}
	w := c.send(multipartRequest(c.t, importMutation, all, file))
	var a answer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || len(a.Errors) > 0 {
		c.t.Fatalf("%d %.2000s: %v", w.Code, w.Body, err)
	}
	payload, _ := a.Data.at("deckImport").(map[string]any)
	return imported{payload}
}

func TestDeckImport(t *testing.T) {
	f := newFixture(t, noon)
	before := len(f.Catalog().Versions("acme-sell"))
	const file = "prefix,price,effective_from\n49,0.5,\n4930,0.4,2030-01-01\n"
	out := f.as("root").importDeck(file, map[string]any{"dryRun": true})
	if out.len("versions") != 2 || out.count("NEW") == 0 || out.count("INCREASE") == 0 || len(f.Catalog().Versions("acme-sell")) != before {
		t.Fatalf("%v", out)
	}
	if out.len("traffic") == 0 || out.text("traffic.0.before") == out.text("traffic.0.after") {
		t.Errorf("last week by the new prices: %v", out)
	}
	if calls := out.at("traffic.0.calls").(float64); out.len("trafficTotals") != 1 || out.at("trafficTotals.0.calls").(float64) <= calls {
		t.Errorf("all of last week: %v", out)
	}
	out = f.as("fiona").importDeck(file, map[string]any{"idempotencyKey": "1"})
	if out.text("position") == "" || out.at("repeated") != false {
		t.Fatalf("%v", out)
	}
	versions := f.Catalog().Versions("acme-sell")
	if len(versions) != before+2 || versions[before].Source != "prices.csv" {
		t.Errorf("%v", versions)
	}
	again := f.as("fiona").importDeck(file, map[string]any{"idempotencyKey": "1"})
	if again.at("repeated") != true || again.text("position") != out.text("position") || again.len("versions") != 2 {
		t.Errorf("the same key again: %v", again)
	}
	other := f.as("fiona").importDeck(file+"1,1,\n", map[string]any{"idempotencyKey": "1"})
	if other.text("userErrors.0.code") != "CONFLICT" || len(f.Catalog().Versions("acme-sell")) != before+2 {
		t.Errorf("the same key with another file: %v", other)
	}
	over := f.as("root").importDeck("prefix,price\n49,0.6\n", nil)
	if !strings.Contains(over.text("errors.0.reason"), "would overlap") {
		t.Errorf("before a version to come: %v", over)
	}
	for path, input := range map[string]map[string]any{
		"input.deck": {"deck": "none"}, "input.mapping": {"mapping": "none"}, "input.idempotencyKey": {"idempotencyKey": ""},
	} {
		if out := f.as("root").importDeck(file, input); out.text("userErrors.0.path") != path {
			t.Errorf("%s: %v", path, out)
		}
	}
	for _, who := range []string{"noel", "bert"} {
		w := f.as(who).send(multipartRequest(t, importMutation, map[string]any{"deck": "acme-sell"}, file))
		if !strings.Contains(w.Body.String(), "FORBIDDEN") {
			t.Errorf("%s: %s", who, w.Body)
		}
	}
	stranger := f.client().send(multipartRequest(t, importMutation, map[string]any{"deck": "acme-sell"}, strings.Repeat("x", 5<<20)))
	if strings.Contains(stranger.Body.String(), `"data":{"deckImport":{`) {
		t.Errorf("a stranger: %s", stranger.Body)
	}
}

// bomb is an archive of zeros.
func bomb(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("xl/worksheets/sheet1.xml")
	zeros := make([]byte, 1<<20)
	for range 300 {
		if err == nil {
			_, err = w.Write(zeros)
		}
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestWrongFiles imports what is wrong in one way each: it is told where, and
// nothing of the file is imported.
func TestWrongFiles(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("fiona")
	before, position := len(f.Catalog().Versions("acme-sell")), f.Catalog().Position()
	for name, test := range map[string]struct {
		file         string
		line         int
		column, says string
	}{
		"a word for a prefix": {"prefix,price\n49,0.5\nx,1\n", 3, "prefix", "x"},
		"a negative price":    {"prefix,price\n49,-0.5\n", 2, "price", "negative"},
		"a currency":          {"prefix,price,currency\n49,0.5,GBP\n", 2, "currency", "the price is in GBP, the deck in USD"},
		"an origin":           {"prefix,price,origin\n49,0.5,nowhere\n", 2, "origin", "no origin set"},
		"a band":              {"prefix,price,band\n49,0.5,night\n", 2, "band", "no band"},
		"overlapping dates": {"prefix,price,effective_from,effective_till\n49,1,2030-01-01,2030-02-01\n49,2,2030-01-15,\n",
			3, "prefix", "for the same time in line 2"},
		"twice":         {"prefix,price\n49,1\n49,2\n", 3, "prefix", "in line 2"},
		"a huge cell":   {"prefix,price\n49," + strings.Repeat("9", 10<<20) + "\n", 2, "price", "10485760 bytes"},
		"a zip bomb":    {bomb(t), 0, "", "unpacks to more than is allowed"},
		"half a zip":    {"PK\x03\x04", 0, "", "no XLSX"},
		"no header":     {"49,1\n", 1, "49", "unknown column"},
		"no column":     {"prefix\n49\n", 1, "price_first", "missing"},
		"too many":      {"prefix,price\n49,1,2\n", 2, "", "3 cells, the header 2"},
		"no rows":       {"prefix,price\n", 1, "", "no rows"},
		"nothing":       {"", 1, "", "empty"},
		"a date":        {"prefix,price,effective_from\n49,1,tomorrow\n", 2, "effective_from", "not a date"},
		"a change":      {"prefix,price,change\n49,1,perhaps\n", 2, "change", "perhaps"},
		"a span":        {"country_code,prefix,price\n49,159-151,1\n", 2, "prefix", "not a span"},
		"a long span":   {"country_code,prefix,price\n49,000000-999999,1\n", 2, "prefix", "more than 10000"},
		"the same code": {"country_code,prefix,price\n49,\"1-5,3\",1\n", 2, "prefix", "twice"},
	} {
		out := c.importDeck(test.file, map[string]any{"idempotencyKey": name})
		if out.at("errorCount") == 0.0 || out.at("errors.0.line") != float64(test.line) || out.text("errors.0.column") != test.column ||
			!strings.Contains(out.text("errors.0.reason"), test.says) || out.len("versions") > 0 || out.at("position") != nil {
			t.Errorf("%s: %v", name, out)
		}
	}
	abroad := f.as("noel").must(`mutation { terminatorPut(input: {key: "globex-ams", buyDeck: "umbrella-eur"}) { userErrors { message } } }`, nil)
	if !strings.Contains(abroad.text("terminatorPut.userErrors.0.message"), "declare an exchange rate from EUR to USD first") {
		t.Errorf("a deck in another currency: %v", abroad)
	}
	if len(f.Catalog().Versions("acme-sell")) != before || f.Catalog().Position() != position {
		t.Error("half of a file was imported")
	}
}

func TestDeckNotice(t *testing.T) {
	f := newFixture(t, noon)
	f.as("fiona").must(`mutation { deckPut(input: {key: "acme-sell", noticeDays: 7}) { deck { noticeDays } userErrors { message } } }`, nil)
	const file = "prefix,price\n49,9\n"
	out := f.as("root").importDeck(file, nil)
	if out.at("errorCount") != 1.0 || out.at("errors.0.line") != 2.0 || out.at("errors.0.notice") != true || !strings.Contains(out.text("errors.0.reason"), "without 7 days' notice") {
		t.Errorf("%v", out)
	}
	if out = f.as("root").importDeck(file, map[string]any{"ignoreNotice": true}); out.at("errorCount") != 0.0 || out.text("position") == "" {
		t.Errorf("%v", out)
	}
}

// TestRemembered finds a partner's columns by his deck.
func TestRemembered(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("fiona")
	const file = "Dial Code;Rate\n49;0,5\n"
	mapping := `mutation($k: String!, $ours: String!) { deckMappingPut(input: {key: $k, company: "company:acme", decimalComma: true,
		columns: [{theirs: "Dial  Code", ours: "prefix"}, {theirs: "rate", ours: $ours}]}) { deckMapping { key company { key } columns { theirs ours } } userErrors { path message } } }`
	if out := c.importDeck(file, map[string]any{"dryRun": true}); out.at("errors.0.unknownColumn") != true || out.text("errors.0.column") != "Dial Code" {
		t.Errorf("columns that nobody knows: %v", out)
	}
	got := c.must(mapping, map[string]any{"k": "acme", "ours": "price"})
	if got.text("deckMappingPut.deckMapping.company.key") != "acme" || got.text("deckMappingPut.deckMapping.columns.0.theirs") != "dial code" {
		t.Fatalf("%v", got)
	}
	if out := c.importDeck(file, map[string]any{"dryRun": true}); out.at("errorCount") != 0.0 || out.text("mapping.key") != "acme" || out.text("changes.0.after") != "0.500000000" {
		t.Errorf("the only mapping of the company: %v", out)
	}
	if out := c.importDeck(file, map[string]any{"dryRun": true, "mapping": nil}); out.at("errorCount") == 0.0 || out.at("mapping") != nil {
		t.Errorf("none: %v", out)
	}
	c.must(mapping, map[string]any{"k": "other", "ours": "price"})
	if out := c.importDeck(file, map[string]any{"dryRun": true}); out.at("mapping") != nil {
		t.Errorf("one of two was chosen: %v", out)
	}
	if out := c.importDeck(file, map[string]any{"dryRun": true, "mapping": "deck-mapping:other"}); out.text("mapping.key") != "other" {
		t.Errorf("by its name: %v", out)
	}
	if bad := c.must(mapping, map[string]any{"k": "bad", "ours": "tarif"}); !strings.Contains(bad.text("deckMappingPut.userErrors.0.message"), "tarif") {
		t.Errorf("a column that is none of ours: %v", bad)
	}
}

// TestRepricedByDay prices each call of last week by the version of its day. The
// calls are of the week's last day.
func TestRepricedByDay(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("fiona")
	france := func(second string) string {
		file := "prefix,price,increments,effective_from\n33,60,1/1/0,2026-11-22\n"
		if second != "" {
			file += "33,120,1/1/0," + second + "\n"
		}
		out := c.importDeck(file, map[string]any{"dryRun": true})
		for i := range out.len("traffic") {
			if p := fmt.Sprintf("traffic.%d.", i); out.text(p+"prefix") == "33" && out.at(p+"calls").(float64) > 0 {
				return out.text(p + "after")
			}
		}
		t.Fatalf("no calls: %v", out)
		return ""
	}
	first, before, after := france(""), france("2026-11-29"), france("2026-11-30")
	if after != first {
		t.Errorf("a version of the week after: %s, want %s", after, first)
	}
	if before == first {
		t.Errorf("a version of the last day changes nothing: %s", before)
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
	out := f.as("root").importDeck(xlsx, map[string]any{"dryRun": true})
	if out.count("UNCHANGED") == 0 || out.len("counts") != 1 {
		t.Errorf("what went out comes in changed: %v", out)
	}
	if w := get("adam", "/export/deck.csv?deck=acme-sell"); w.Code != http.StatusOK {
		t.Errorf("a partner does not get his own: %d", w.Code)
	}
	theirs, none := get("bert", "/export/deck.csv?deck=acme-sell"), get("bert", "/export/deck.csv?deck=acme-none")
	if theirs.Code != http.StatusNotFound || strings.ReplaceAll(theirs.Body.String(), "sell", "none") != none.Body.String() {
		t.Errorf("another partner gets %d %s", theirs.Code, theirs.Body)
	}
	if w := f.client().send(httptest.NewRequest(http.MethodGet, "/export/deck.csv?deck=acme-sell", nil)); w.Code != http.StatusUnauthorized {
		t.Errorf("a stranger gets %d", w.Code)
	}
	if w := get("root", "/export/deck.csv?deck=acme-sell&version=99"); w.Code != http.StatusNotFound {
		t.Errorf("no such version: %d", w.Code)
	}
}
