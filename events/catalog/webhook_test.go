package catalog_test

import (
	"strings"
	"testing"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
)

func TestWebhooksRefuse(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*wire.Webhook)
		want  string
	}{
		"right":      {func(*wire.Webhook) {}, ""},
		"all kinds":  {func(w *wire.Webhook) { w.Kinds = strings.Fields(catalog.FeedKinds) }, ""},
		"mail":       {func(w *wire.Webhook) { mailed(w) }, ""},
		"both":       {func(w *wire.Webhook) { mailed(w).Url = "https://erp.example.net/in" }, "mail_to: url, secret and ca"},
		"none":       {func(w *wire.Webhook) { w.Url = "" }, "either to a url or to people"},
		"everything": {func(w *wire.Webhook) { mailed(w).Kinds = nil }, "kinds: say what"},
		"address":    {func(w *wire.Webhook) { mailed(w).MailTo = []string{"a@b.example", "Bob <bob@example.net>"} }, "mail_to.1:"},
		"injected":   {func(w *wire.Webhook) { mailed(w).MailTo = []string{"a@b.example\r\nDATA"} }, "mail_to.0:"},
		"one twice":  {func(w *wire.Webhook) { mailed(w).MailTo = []string{"a@b.example", "a@b.example"} }, "mail_to.1: a@b.example stands twice"},
		"crowd":      {func(w *wire.Webhook) { mailed(w).MailTo = make([]string, 21) }, "21 addresses"},
		"language":   {func(w *wire.Webhook) { mailed(w).Language = "de" }, "language:"},
		"words":      {func(w *wire.Webhook) { w.Language = "en" }, "language:"},
		"kind":       {func(w *wire.Webhook) { w.Kinds = []string{"call_charged", "CALL_ENDED"} }, `kinds.1: "CALL_ENDED" is no kind`},
		"twice":      {func(w *wire.Webhook) { w.Kinds = []string{"call_charged", "call_charged"} }, "kinds.1: call_charged stands twice"},
		"plain":      {func(w *wire.Webhook) { w.Url = "http://erp.example.net" }, "url:"},
		"user":       {func(w *wire.Webhook) { w.Url = "https://a:b@erp.example.net" }, "url:"},
		"unsigned":   {func(w *wire.Webhook) { w.Secret = nil }, "secret:"},
		"long":       {func(w *wire.Webhook) { w.Secret = make([]byte, 257) }, "secret:"},
		"ca":         {func(w *wire.Webhook) { w.Ca = "x" }, "ca:"},
		"company":    {func(w *wire.Webhook) { w.Company = "nobody" }, "company nobody"},
		"name":       {func(w *wire.Webhook) { w.Name = strings.Repeat("x", 1000) }, "name"},
	} {
		w := &wire.Webhook{Id: "erp", Url: "https://erp.example.net/in", Secret: []byte{1}, Company: "co"}
		c.spoil(w)
		_, err := world(t, small()...).Decide(now, changes([]any{w}))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// mailed makes a webhook one that tells people.
func mailed(w *wire.Webhook) *wire.Webhook {
	w.Url, w.Secret, w.Kinds, w.MailTo = "", nil, []string{"alert_raised"}, []string{"noc@example.net"}
	return w
}
