package world_test

import (
	"bytes"
	"crypto/sha256"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/tollbook/tollbook/deploy"
	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/events/world"
)

// plain hashes passwords for tests: quickly, and differently each time.
type plain struct{ n int }

func (p *plain) Hash(password string) (string, error) {
	if password == "" {
		return "", events.Invalid("the password is empty")
	}
	p.n++
	return "$argon2id$" + strconv.Itoa(p.n) + "$" + password, nil
}

func (p *plain) Matches(hash, password string) bool { return strings.HasSuffix(hash, "$"+password) }

// boxes wraps secrets for tests: anybody can read them.
type boxes struct{}

func (boxes) Wrap(name string, secret []byte) ([]byte, error) {
	return []byte(name + ":" + string(secret)), nil
}

func (boxes) Unwrap(name string, wrapped []byte) ([]byte, error) {
	return bytes.TrimPrefix(wrapped, []byte(name+":")), nil
}

var file = regexp.MustCompile(`file: (decks/[\w.-]+)`)

// example is a file of deploy/examples with its decks' rows in it, as the apply
// command sends it.
func example(t testing.TB, name string) []byte {
	data, err := deploy.Examples.ReadFile("examples/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return file.ReplaceAllFunc(data, func(m []byte) []byte {
		rows, err := deploy.Examples.ReadFile("examples/" + string(file.FindSubmatch(m)[1]))
		if err != nil {
			t.Fatal(err)
		}
		return strconv.AppendQuote([]byte("rows: "), string(rows))
	})
}

// apply reads a document and puts what it asks for into the catalog.
func apply(t testing.TB, cat *catalog.State, doc []byte, pw world.Passwords) (*catalog.State, *world.Edit) {
	t.Helper()
	edit, err := world.Read(doc, cat, pw, boxes{})
	if err != nil {
		t.Fatal(err)
	}
	if len(edit.Changes) == 0 {
		return cat, edit
	}
	changes, err := cat.Decide(1_783_000_800_000_000, edit.Changes)
	if err != nil {
		t.Fatal(err)
	}
	return cat.Evolve(cat.Position()+1, &wire.Event{Body: &wire.Event_ChangeSetAccepted{
		ChangeSetAccepted: &wire.ChangeSetAccepted{Changes: changes},
	}}), edit
}

func TestExamplesApplyOnce(t *testing.T) {
	names, err := fs.Glob(deploy.Examples, "examples/world*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		doc := example(t, strings.TrimPrefix(name, "examples/"))
		pw := &plain{}
		cat, edit := apply(t, catalog.New(), doc, pw)
		if len(edit.Differences) != len(edit.Changes) || len(edit.Blobs) == 0 || cat.Len(catalog.KindOriginator) == 0 {
			t.Errorf("%s: %d differences, %d blobs", name, len(edit.Differences), len(edit.Blobs))
		}
		for digest, blob := range edit.Blobs {
			rows, err := rating.ParseCSV(blob)
			if err != nil || sha256.Sum256(blob) != digest || !bytes.Equal(rating.Canonical(rows), blob) {
				t.Errorf("%s: blob %x: %v", name, digest, err)
			}
		}
		if _, again := apply(t, cat, doc, pw); len(again.Changes) != 0 || len(again.Blobs) != 0 {
			t.Errorf("%s: applied twice it changes %v", name, again.Differences)
		}
	}
}

const small = `
companies:
  - id: co
    accounts:
      - {id: acc, currency: USD, kind: customer, credit_limit: "12.5"}
decks:
  - {id: d, currency: USD, tax_percent: "19.25", rounding: half-even, rows: "prefix,price\n49,0.1\n"}
users:
  - {id: ann, role: admin, password: secret}
`

func TestRead(t *testing.T) {
	pw := &plain{}
	cat, edit := apply(t, catalog.New(), []byte(small), pw)
	if len(edit.Changes) != 5 {
		t.Errorf("%v", edit.Differences)
	}
	if a := cat.Account("acc"); a.CreditLimitMicro != 12_500_000 || a.Company != "co" {
		t.Errorf("%v", a)
	}
	if d := cat.Deck("d"); d.TaxPpm != 192_500 || d.Rounding != wire.RoundingMode_ROUNDING_MODE_HALF_EVEN || d.Decimals != 6 {
		t.Errorf("%v", d)
	}
	for _, c := range []struct {
		name, from, to string
		changed        string // the entities, in order
	}{
		{"nothing", "", "", ""},
		{"rows in another order and form", `49,0.1\n`, `+49,0.100\n\n`, ""},
		{"a price", "49,0.1", "49,0.2", "deck version d/2"},
		{"a price at a time", `rows: "prefix,price\n49,0.1\n"`, `effective_from: 2026-12-01T00:00:00Z, rows: "prefix,price\n49,0.2\n"`, "deck version d/2"},
		{"a limit", `"12.5"`, `"13"`, "account acc"},
		{"an offline allowance", `"12.5"`, `"12.5", offline: {calls: 2, amount: "0.5"}`, "account acc"},
		{"no offline allowance", `"12.5"`, `"12.5", offline: {}`, ""},
		{"a password", "secret", "secret2", "user ann"},
		{"no password keeps the old one", ", password: secret", "", ""},
		{"what is not named stays", "  - {id: ann, role: admin, password: secret}\n", "  []\n", ""},
		{"a removal", "users:\n  - {id: ann, role: admin, password: secret}\n", "remove:\n  - {kind: user, id: ann}\n", "user ann"},
		{"a removal of what is gone", "users:\n  - {id: ann, role: admin, password: secret}\n", "remove:\n  - {kind: route_plan, id: who}\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, edit := apply(t, cat, []byte(strings.Replace(small, c.from, c.to, 1)), pw)
			var refs []string
			for _, d := range edit.Differences {
				refs = append(refs, d.Ref.String())
				if d.Before == nil && d.After == nil {
					t.Errorf("%v", d)
				}
			}
			if got := strings.Join(refs, ", "); got != c.changed {
				t.Errorf("it changes %q, want %q", got, c.changed)
			}
		})
	}
}

func TestReadNamesTheFault(t *testing.T) {
	for _, c := range []struct{ name, doc, want string }{
		{"nothing", "", "the document is empty"},
		{"only comments", "# nothing\n", "the document is empty"},
		{"unknown section", "compnies: []\n", `line 1: unknown key "compnies"`},
		{"unknown key", "companies:\n  - id: co\n    colour: red\n", `line 3: unknown key "colour"`},
		{"key twice", "companies:\n  - id: co\n    id: co\n", "line 3"},
		{"a list for a name", "companies:\n  - id: [co]\n", "line 2"},
		{"no YAML", "companies: [\n", "line 1"},
		{"two documents", "companies: []\n---\ncompanies: []\n", "second one after ---"},
		{"offline", "companies:\n  - {id: co, accounts: [{id: a, kind: vendor, offline: {calls: 1, amount: much}}]}\n", `accounts[0] "a": offline.amount: "much"`},
		{"kind", "companies:\n  - {id: co, accounts: [{id: a, kind: other}]}\n", `companies[0] "co": accounts[0] "a": kind "other" is not one of customer, vendor`},
		{"limit", "companies:\n  - {id: co, accounts: [{id: a, kind: vendor, credit_limit: 1e3}]}\n", `accounts[0] "a": credit_limit: "1e3"`},
		{"zone", "companies:\n  - {id: co, time_zone: Mars/Base}\n", `time_zone "Mars/Base"`},
		{"rounding", "decks:\n  - {id: d, currency: USD, rounding: sideways}\n", `decks[0] "d": rounding`},
		{"tax", "decks:\n  - {id: d, currency: USD, tax_percent: \"19.12345\"}\n", "tax_percent"},
		{"taxes", "decks:\n  - {id: d, currency: USD, tax_percent: \"101\"}\n", "tax_percent"},
		{"rows", "decks:\n  - {id: d, currency: USD, rows: \"prefix,price\\n4x,1\\n\"}\n", `decks[0] "d": rows: line 2: column prefix`},
		{"file", "decks:\n  - {id: d, currency: USD, file: x.csv}\n", "rows in a file"},
		{"time", "decks:\n  - {id: d, currency: USD, effective_from: tomorrow, rows: \"prefix,price\\n4,1\\n\"}\n", "effective_from"},
		{"duration", "settings: {max_duration: 2 hours}\n", `settings: max_duration "2 hours"`},
		{"negative duration", "terminators:\n  - {id: t, ring_timeout: -1s}\n", "ring_timeout"},
		{"month", "settings: {max_duration: 745h}\n", "max_duration"},
		{"profit", "originators:\n  - {id: o, profit: maximal}\n", `originators[0] "o": profit "maximal" is not one of allow-losses, no-losses, only`},
		{"margin", "originators:\n  - {id: o, minimum_margin: ten}\n", "minimum_margin"},
		{"role", "users:\n  - {id: u, role: boss}\n", `users[0] "u": role "boss"`},
		{"user without password", "users:\n  - {id: u, role: admin}\n", `users[0] "u": password`},
		{"removal", "remove:\n  - {kind: planet, id: mars}\n", `kind "planet" is unknown`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := world.Read([]byte(c.doc), catalog.New(), &plain{}, boxes{})
			if events.CodeOf(err) != events.CodeInvalid || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	if _, err := world.Read(make([]byte, world.MaxBytes+1), catalog.New(), &plain{}, boxes{}); events.CodeOf(err) != events.CodeInvalid {
		t.Errorf("65 MB: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte("companies: [{id: &a co}, {id: *a}]\n"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		cat := catalog.New()
		edit, err := world.Read(doc, cat, &plain{}, boxes{})
		if err != nil {
			return
		}
		_, _ = cat.Decide(1, edit.Changes)
	})
}
