package node

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollbook/tollbook/graphql/resolve"
)

// A webhook of all events hears of what nodes note of it, and the book comes to rest.
func TestWebhookSettles(t *testing.T) {
	usual := notedEvery
	notedEvery = 20 * time.Millisecond
	defer func() { notedEvery = usual }()
	var heard atomic.Int64
	to := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var d struct{ Events []json.RawMessage }
		if err := json.NewDecoder(r.Body).Decode(&d); err != nil {
			t.Error(err)
		}
		heard.Add(int64(len(d.Events)))
	}))
	defer to.Close()
	c := loopback(t, t.TempDir())
	c.Webhooks.Allow = []string{"127.0.0.0/8"}
	n, err := Start(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := json.Marshal(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: to.Certificate().Raw})))
	if err != nil {
		t.Fatal(err)
	}
	apply := func(text string) {
		t.Helper()
		if _, err := n.ApplyWorld(t.Context(), resolve.WorldEdit{YAML: text, Actor: "user:root"}); err != nil {
			t.Fatal(err)
		}
	}
	apply(fmt.Sprintf("webhooks: [{id: all, url: %q, secret: sixteen letters!, ca: %s}]", to.URL, ca))
	waits := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("waited in vain: " + what)
			}
		}
	}
	noted := func() uint64 { p, _ := n.webhookProgress("all"); return p.GetPosition() }
	waits("it begins", func() bool { return noted() > 0 })
	begun := noted()
	apply("companies: [{id: c}]")
	waits("it is noted", func() bool { return noted() > begun })
	waits("what was noted is sent", func() bool { return heard.Load() >= 2 })
	at, _ := n.follower.Position()
	time.Sleep(3 * hookTick)
	if now, _ := n.follower.Position(); now != at {
		t.Errorf("the book goes on by itself from %d to %d", at, now)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestBadNetworks(t *testing.T) {
	for _, spoil := range []func(*Config){
		func(c *Config) { c.Webhooks.Allow = []string{"10.1"} },
		func(c *Config) { c.CdrFiles.Allow = []string{"10.1"} },
	} {
		c := loopback(t, t.TempDir())
		spoil(&c)
		if _, err := c.parse(); err == nil {
			t.Error("a network that is none is passed over")
		}
	}
}
