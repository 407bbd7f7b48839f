package server_test

import (
	"encoding/json"
	"io/fs"
	"strings"
	"testing"

	"github.com/tollbook/tollbook/graphql/console"
)

// TestDocuments: the console's own documents are taken by hash and, in whatever order a
// client writes them, as text; where the settings say so, nothing else is from sessions.
func TestDocuments(t *testing.T) {
	f := newFixture(t, noon)
	data, err := fs.ReadFile(console.Files(), "documents.json")
	documents := map[string]string{}
	if err == nil {
		err = json.Unmarshal(data, &documents)
	}
	if err != nil || len(documents) < 50 {
		t.Fatalf("%d documents, %v", len(documents), err)
	}
	viewer := ""
	for hash, text := range documents {
		if strings.HasPrefix(text, "query Viewer ") {
			viewer = hash
		}
	}
	c, root := f.as("noel"), f.as("root")
	byHash := func(hash string) string {
		return c.post(`{"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "` + hash + `"}}}`).Body.String()
	}
	const other = `{ viewer { actor } }`
	c.must(other, nil)
	root.must(`mutation { settingsPut(input: {apiPersistedOnly: true}) { settings { apiPersistedOnly } userErrors { message } } }`, nil)
	c.refused("FORBIDDEN", other, nil)
	c.refused("FORBIDDEN", `{ __schema { queryType { name } } }`, nil)
	c.refused("FORBIDDEN", documents[viewer]+` query Other { overview { callsNow } }`, nil)
	if got := byHash(viewer); !strings.Contains(got, `"actor":"user:noel"`) {
		t.Errorf("by hash: %s", got)
	}
	if got := byHash(strings.Repeat("0", 64)); !strings.Contains(got, "PERSISTED_QUERY_NOT_FOUND") {
		t.Errorf("an unknown hash: %s", got)
	}
	for _, text := range documents {
		// As urql sends it: with the names of types, in one line.
		text = strings.Join(strings.Fields(strings.ReplaceAll(text, "\n}", "\n  __typename\n}")), " ")
		if strings.Contains(text, "subscription") {
			continue
		}
		for _, e := range c.ask(text, nil).Errors {
			if strings.Contains(e.Message, "sessions ask only") {
				t.Errorf("refused: %s", text)
			}
		}
	}
	if got := f.client().signIn("noel", ""); got.text("signIn.viewer.actor") != "user:noel" {
		t.Errorf("nobody can sign in: %v", got)
	}
}
