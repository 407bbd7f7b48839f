package main_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const pricedWorld = `
companies:
  - {id: carrier, accounts: [{id: carrier-usd, currency: USD, kind: vendor}, {id: carrier-eur, currency: EUR, kind: vendor}]}
deck_mappings:
  - {id: carriers, company: carrier, decimal_comma: true, date_layout: 02.01.2006, columns: {dial code: prefix, rate: price, valid from: effective_from}}
decks:
  - {id: a-z, company: carrier, currency: USD, notice_days: 7, rows: "prefix,destination,price,increments\n44,UK,0.01,1/1/0\n49,Germany,0.02,1/1/0\n"}
  - {id: own, currency: USD, rows: "prefix,price\n44,0.01\n"}
terminators:
  - {id: carrier, company: carrier, account: carrier-usd, buy_deck: a-z, host: 127.0.0.99}
`

// pricing runs a command about a deck's file against a node.
func pricing(t *testing.T, n *node, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return tollbook(t, append(args, "--url", n.url, "--token", adminSecret)...)
}

func priceFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// zeros is an XLSX file that would unpack to far more than it is.
func zeros(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("xl/worksheets/sheet1.xml")
	for range 200 {
		if err == nil {
			_, err = w.Write(make([]byte, 1<<20))
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

// TestDeckFiles imports and exports price lists on the command line.
func TestDeckFiles(t *testing.T) {
	t.Parallel()
	n := serve(t, newNetwork(), t.TempDir())
	n.apply(t, pricedWorld)
	t.Run("wrong files", func(t *testing.T) { wrongFiles(t, n) })

	// The carrier's own columns are found by his deck; an increase needs notice.
	file := priceFile(t, "prices.csv", "Dial Code;Rate;Valid From\n44;0,012;\n4420;0,005;01.12.2040\n")
	code, stdout, stderr := pricing(t, n, "import", "deck", "-f", file, "-deck", "a-z")
	if code == 0 || !strings.Contains(stdout, "line 2, column price: prefix 44 becomes dearer") || !strings.Contains(stderr, "nothing was imported") {
		t.Fatalf("%d\n%s%s", code, stdout, stderr)
	}
	ignoring := []string{"import", "deck", "-f", file, "-deck", "a-z", "-ignore-notice"}
	code, stdout, stderr = pricing(t, n, append(ignoring, "-dry-run")...)
	if code != 0 || !strings.Contains(stdout, "by the mapping carriers") || !strings.Contains(stdout, "would be made") || !strings.Contains(stdout, "increase: 1 rows") {
		t.Fatalf("%d\n%s%s", code, stdout, stderr)
	}
	var first, again struct {
		Versions []struct{ Number int }
		Position string
		Repeated bool
	}
	for _, out := range []any{&first, &again} {
		code, stdout, stderr = pricing(t, n, append(ignoring, "-key", "march", "-o", "json")...)
		if err := json.Unmarshal([]byte(stdout), out); err != nil || code != 0 {
			t.Fatalf("%d %v\n%s%s", code, err, stdout, stderr)
		}
	}
	if len(first.Versions) != 2 || first.Versions[1].Number != 3 || first.Repeated || !again.Repeated || again.Position != first.Position {
		t.Errorf("%+v, then %+v", first, again)
	}

	// What goes out comes in unchanged, of both kinds.
	for _, name := range []string{"out.csv", "out.xlsx"} {
		path := filepath.Join(t.TempDir(), name)
		if code, _, stderr := pricing(t, n, "export", "deck", "-deck", "a-z", "-version", "3", "-f", path); code != 0 {
			t.Fatal(stderr)
		}
		code, stdout, stderr := pricing(t, n, "import", "deck", "-f", path, "-deck", "a-z", "-from", "2041-01-01T00:00:00Z", "-mapping", "none", "-dry-run")
		if code != 0 || !strings.Contains(stdout, "unchanged: 3 rows") || strings.Contains(stdout, "new:") {
			t.Errorf("%s: %d\n%s%s", name, code, stdout, stderr)
		}
	}
	if code, stdout, _ := pricing(t, n, "export", "deck", "-deck", "own"); code != 0 || !strings.HasPrefix(stdout, "prefix,destination,price_first") {
		t.Errorf("%d %s", code, stdout)
	}
	for _, args := range [][]string{
		{"import", "deck", "-f", file}, {"import", "prices"}, {"export", "deck"}, {"export", "deck", "-deck", "a-z", "-version", "9"},
		{"import", "deck", "-f", file, "-deck", "none"}, {"import", "deck", "-f", file, "-deck", "own", "-mapping", "none"},
	} {
		if code, _, stderr := pricing(t, n, args...); code == 0 || stderr == "" {
			t.Errorf("%v: %d %q", args, code, stderr)
		}
	}
	n.interrupt(t)
	verify(t, n.data)
}

// wrongFiles are refused, each with its place, and leave the deck as it is.
func wrongFiles(t *testing.T, n *node) {
	for name, test := range map[string]struct{ file, says string }{
		"prefix":   {"prefix,price\n44,1\nx,1\n", "line 3, column prefix"},
		"negative": {"prefix,price\n44,-1\n", "line 2, column price"},
		"currency": {"prefix,price,currency\n44,1,GBP\n", "line 2, column currency"},
		"overlap":  {"prefix,price,effective_from,effective_till\n44,1,2040-01-01,2040-03-01\n44,2,2040-02-01,\n", "line 3, column prefix"},
		"cell":     {"prefix,price\n44," + strings.Repeat("1", 10<<20) + "\n", "line 2, column price: the cell has 10485760 bytes"},
		"bomb":     {zeros(t), "unpacks to more than is allowed"},
		"no file":  {"", "the file is empty"},
	} {
		code, stdout, stderr := pricing(t, n, "import", "deck", "-f", priceFile(t, "wrong.csv", test.file), "-deck", "own")
		if code == 0 || !strings.Contains(stdout, test.says) || !strings.Contains(stderr, "nothing was imported") {
			t.Errorf("%s: %d\n%.500s%.500s", name, code, stdout, stderr)
		}
	}
	var deck struct {
		Deck struct{ Versions []struct{ Number int } }
	}
	n.ask(t, &deck, `{ deck(id: "own") { versions { number } } }`, nil)
	if len(deck.Deck.Versions) != 1 {
		t.Errorf("half of a file was imported: %+v", deck)
	}
	abroad := priceFile(t, "world.yaml", "terminators: [{id: abroad, company: carrier, account: carrier-eur, buy_deck: a-z, host: 127.0.0.99}]\n")
	if code, _, stderr := pricing(t, n, "apply", "-f", abroad); code == 0 || !strings.Contains(stderr, "declare an exchange rate from USD to EUR first") {
		t.Errorf("a deck in another currency: %d %s", code, stderr)
	}
}
