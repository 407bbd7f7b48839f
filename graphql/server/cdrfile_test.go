package server_test

import (
	"context"
	"testing"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

func (f *fixture) TryWebhook(_ context.Context, key string) error {
	if key != "erp" {
		return events.NotFound("there is no webhook %s", key)
	}
	return nil
}

func (f *fixture) WriteCdrFiles(_ context.Context, profile string) (int, error) {
	if f.Catalog().CdrProfile(profile) == nil {
		return 0, events.NotFound("there is no profile %s of CDR files", profile)
	}
	return 2, nil
}

const cdrProfilePut = `mutation($i: CdrProfilePutInput!) { cdrProfilePut(input: $i) { cdrProfile {
 id key name disabled companyId accountId from intervalSeconds offsetSeconds format columns directory url last { number } version }
 userErrors { message path } } }`

// TestCdrProfiles puts every field of a profile and reads it back; a token stays with the
// address that it was given for.
func TestCdrProfiles(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("root")
	in := map[string]any{
		"key": "daily", "name": "Daily", "disabled": true, "from": "2026-11-01T00:00:00Z", "intervalSeconds": 900, "offsetSeconds": 60,
		"format": "PIPE", "columns": []string{"call", "leg"}, "url": "https://files.example.net/in", "token": "secret",
		"ca": "-----BEGIN CERTIFICATE-----\n",
	}
	if got := c.must(cdrProfilePut, map[string]any{"i": in}); got.len("cdrProfilePut.userErrors") != 0 {
		t.Fatal(got)
	}
	p := f.Catalog().CdrProfile("daily")
	if p.Name != "Daily" || !p.Disabled || p.FromUs != 1_793_491_200_000_000 || p.IntervalS != 900 || p.OffsetS != 60 ||
		p.Format != wire.CdrFormat_CDR_FORMAT_PIPE || len(p.Columns) != 2 || p.Url == "" || len(p.Secret) == 0 || p.Ca == "" {
		t.Errorf("%v", p)
	}
	c.must(cdrProfilePut, map[string]any{"i": map[string]any{"key": "daily", "disabled": false}})
	if p = f.Catalog().CdrProfile("daily"); p.Disabled || len(p.Secret) == 0 {
		t.Errorf("%v", p)
	}
	c.must(cdrProfilePut, map[string]any{"i": map[string]any{"key": "daily", "url": "https://other.example.net"}})
	if p = f.Catalog().CdrProfile("daily"); len(p.Secret) != 0 {
		t.Error("the token would go to another server")
	}
	c.must(cdrProfilePut, map[string]any{"i": map[string]any{
		"key": "daily", "url": "sftp://tollbook@files.example.net/in", "hostKey": "ssh-ed25519 AAAA", "token": "password", "ca": "", "format": "XLSX",
	}})
	if p = f.Catalog().CdrProfile("daily"); p.HostKey != "ssh-ed25519 AAAA" || len(p.Secret) == 0 || p.Format != wire.CdrFormat_CDR_FORMAT_XLSX {
		t.Errorf("%v", p)
	}
	if got := c.must(cdrProfilePut, map[string]any{"i": map[string]any{"key": "daily", "hostKey": "ssh-ed25519 BBBB"}}); got.len("cdrProfilePut.userErrors") != 1 {
		t.Error("the password would go to a server with another key")
	}
	c.must(cdrProfilePut, map[string]any{"i": map[string]any{"key": "daily", "url": "https://other.example.net", "hostKey": ""}})
	for field, wrong := range map[string]any{
		"columns": []string{"no_such"}, "intervalSeconds": 59, "offsetSeconds": 900, "directory": "both",
		"url": "http://files.example.net",
	} {
		got := c.must(cdrProfilePut, map[string]any{"i": map[string]any{"key": "daily", field: wrong}})
		if got.len("cdrProfilePut.userErrors") != 1 {
			t.Errorf("%s: %v", field, got)
		}
	}
	if got := c.must(`{ cdrProfiles(first: 5) { nodes { key } } node(id: "cdr-profile:daily") { ... on CdrProfile { key } } }`, nil); got.len("cdrProfiles.nodes") != 1 {
		t.Error(got)
	}
	const writes = `mutation($k: String!) { cdrFilesWrite(input: {key: $k}) { files userErrors { message } } }`
	if got := c.must(writes, map[string]any{"k": "who"}); got.len("cdrFilesWrite.userErrors") != 1 {
		t.Error(got)
	}
	if got := c.must(writes, map[string]any{"k": "daily"}); got.len("cdrFilesWrite.userErrors") != 0 {
		t.Error(got)
	}
}
