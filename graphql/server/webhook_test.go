package server_test

import (
	"strings"
	"testing"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/model"
	"github.com/tollbook/tollbook/graphql/resolve"
)

// Every kind of the feed can be sent, and no other.
func TestFeedKinds(t *testing.T) {
	var kinds []string
	for _, k := range model.AllEventKind {
		kinds = append(kinds, strings.ToLower(string(k)))
	}
	if got := strings.Join(strings.Fields(catalog.FeedKinds), " "); got != strings.Join(kinds, " ") {
		t.Errorf("webhooks have %q,\nthe feed %q", got, kinds)
	}
}

const webhookPut = `mutation($i: WebhookPutInput!) { webhookPut(input: $i) { webhook {
  id key name disabled companyId kinds url cursor paused version } userErrors { message path } } }`

func TestWebhooks(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("root")
	in := map[string]any{"key": "hook", "company": "acme", "kinds": []string{"CALL_CHARGED"}, "url": "https://erp.example.net/in", "secret": "sixteen letters!"}
	got := c.must(webhookPut, map[string]any{"i": in})
	if got.len("webhookPut.userErrors") != 0 || got.text("webhookPut.webhook.companyId") != "company:acme" || got.text("webhookPut.webhook.kinds.0") != "CALL_CHARGED" {
		t.Fatal(got)
	}
	w := f.Catalog().Webhook("hook")
	if string(w.Secret) != "wrapped for webhook hook: sixteen letters!" {
		t.Errorf("the secret lies there as %q", w.Secret)
	}
	secret := string(w.Secret)
	c.must(webhookPut, map[string]any{"i": map[string]any{"key": "hook", "name": "Books"}})
	if w = f.Catalog().Webhook("hook"); string(w.Secret) != secret || w.Name != "Books" || w.Company != "acme" {
		t.Errorf("an edit of the name leaves %v", w)
	}
	for name, wrong := range map[string]map[string]any{
		"secret": {"secret": "short"}, "url": {"url": "http://erp.example.net"}, "company": {"company": "nobody"},
	} {
		wrong["key"] = "hook"
		if got := c.must(webhookPut, map[string]any{"i": wrong}); got.len("webhookPut.userErrors") != 1 {
			t.Errorf("%s: %v", name, got)
		}
	}
	resume := `mutation($i: WebhookResumeInput!) { webhookResume(input: $i) { webhook { paused cursor } userErrors { code message } } }`
	if got := c.must(resume, map[string]any{"i": map[string]any{"key": "hook"}}); got.text("webhookResume.userErrors.0.code") != "CONFLICT" {
		t.Errorf("one that never began is resumed: %v", got)
	}
	f.put(noon(), "it is gone", &wire.WebhookProgress{Id: "hook", Position: 5, AtUs: 1, Paused: true, FailingSinceUs: 1, Reason: "gone"})
	got = c.must(resume, map[string]any{"i": map[string]any{"key": "hook", "after": resolve.PlaceCursor(3)}})
	if got.len("webhookResume.userErrors") != 0 || got.text("webhookResume.webhook.cursor") != resolve.PlaceCursor(3) {
		t.Errorf("%v", got)
	}
	if got := c.must(resume, map[string]any{"i": map[string]any{"key": "hook", "after": "nonsense"}}); got.len("webhookResume.userErrors") != 1 {
		t.Errorf("%v", got)
	}
	try := `mutation($k: String!) { webhookTest(input: {key: $k}) { delivered userErrors { code } } }`
	if got := c.must(try, map[string]any{"k": "hook"}); got.text("webhookTest.userErrors.0.code") != "NOT_FOUND" {
		t.Errorf("%v", got)
	}
	// Only admins know of them: their addresses are other companies' affairs.
	for _, who := range []string{"fiona", "noel", "adam"} {
		if got := f.as(who).ask(`{ webhooks(first: 5) { nodes { key } } }`, nil); len(got.Errors) == 0 {
			t.Errorf("%s reads webhooks", who)
		}
	}
}
