package main_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// hooked is a server that events are sent to.
type hooked struct {
	*httptest.Server
	mu     sync.Mutex
	status int // of the next answers, 0 for 200
	heard  []told
	ids    map[string]bool
	wrong  []string
}

// told is an event as it was sent.
type told struct {
	ID, Position, Kind string
	Text               *string
	Subjects           []string
	Entries            []struct {
		Account *struct{ ID string }
		Amount  struct{ Amount string }
	}
}

const hookSecret = "a secret of the receiver"

func newHooked(t *testing.T) *hooked {
	t.Helper()
	h := &hooked{ids: map[string]bool{}}
	h.Server = httptest.NewTLSServer(h)
	t.Cleanup(h.Close)
	return h
}

func (h *hooked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	signature := r.Header.Get("Tollbook-Signature")
	at, sum, _ := strings.Cut(strings.TrimPrefix(signature, "t="), ",v1=")
	mac := hmac.New(sha256.New, []byte(hookSecret))
	fmt.Fprintf(mac, "%s.%s", at, body)
	var d struct{ Events []told }
	switch {
	case err != nil || sum != hex.EncodeToString(mac.Sum(nil)):
		h.wrong = append(h.wrong, "signed with "+signature)
	case json.Unmarshal(body, &d) != nil:
		h.wrong = append(h.wrong, string(body))
	case h.status != 0:
		w.WriteHeader(h.status)
	default:
		for _, e := range d.Events {
			if !h.ids[e.ID] {
				h.ids[e.ID], h.heard = true, append(h.heard, e)
			}
		}
	}
}

func (h *hooked) answers(status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = status
}

func (h *hooked) has() []told {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.heard)
}

// hookState is what the API tells of a webhook.
type hookState struct {
	Cursor, FailingSince *string
	Paused               bool
	Reason               string
}

func (a *api) hook(t *testing.T, key string) hookState {
	t.Helper()
	var answer struct{ Node hookState }
	a.ask(t, &answer, `query ($id: ID!) { node(id: $id) { ... on Webhook { cursor failingSince paused reason } } }`, map[string]any{"id": "webhook:" + key})
	return answer.Node
}

// TestWebhooks sends what the book decides to servers of the house and of a partner, one of
// which refuses for a while, and kills the node in between: each event comes, in its order,
// to whom it concerns.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	staff, partner := newHooked(t), newHooked(t)
	nw, data, allow := newNetwork(), t.TempDir(), "webhooks: {allow: [127.0.0.0/8]}\n"
	n := serveOn(t, nw, data, "sip: "+nw.addr(1)+"\n"+allow)
	hook := func(h *hooked, key, more string) string {
		ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw})
		text, err := json.Marshal(string(ca))
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("  - {id: %s, url: %q, secret: %q, kinds: [money_posted], ca: %s%s}\n", key, h.URL+"/in", hookSecret, text, more)
	}
	n.apply(t, "companies:\n  - {id: own, accounts: [{id: own-usd, currency: USD, kind: customer}]}\n"+
		"  - {id: par, accounts: [{id: par-usd, currency: USD, kind: customer}]}\n"+
		"webhooks:\n"+hook(staff, "erp", "")+hook(partner, "partner", ", company: par"))
	paid := 0
	pay := func(times int) {
		t.Helper()
		for range times {
			n.credit(t, []string{"own-usd", "par-usd"}[paid%2], "1", fmt.Sprint("payment ", paid))
			paid++
		}
	}
	until(t, "the webhooks have begun", func() bool { return n.hook(t, "erp").Cursor != nil && n.hook(t, "partner").Cursor != nil })
	pay(10)
	until(t, "the first have come", func() bool { return len(staff.has()) == 10 && len(partner.has()) == 5 })
	staff.answers(http.StatusInternalServerError)
	pay(6)
	until(t, "the other one is not held up", func() bool { return len(partner.has()) == 8 })
	n.kill(t)
	n = serveOn(t, nw, data, "sip: "+nw.addr(1)+"\n"+allow)
	pay(4)
	staff.answers(0)
	until(t, "all have come", func() bool { return len(staff.has()) == paid && len(partner.has()) == paid/2 })

	staff.answers(http.StatusGone)
	pay(2)
	until(t, "a server that is gone is left alone", func() bool { return n.hook(t, "erp").Paused })
	if s := n.hook(t, "erp"); s.FailingSince == nil || !strings.Contains(s.Reason, "gone") {
		t.Errorf("the webhook stands at %+v", s)
	}
	staff.answers(0)
	var resumed struct {
		WebhookResume struct{ UserErrors []struct{ Message string } }
	}
	n.ask(t, &resumed, `mutation { webhookResume(input: {key: "erp"}) { userErrors { message } } }`, nil)
	until(t, "it goes on where it stopped", func() bool { return len(staff.has()) == paid })
	var tried struct {
		WebhookTest struct {
			Delivered  bool
			UserErrors []struct{ Message string }
		}
	}
	n.ask(t, &tried, `mutation { webhookTest(input: {key: "erp"}) { delivered userErrors { message } } }`, nil)
	if !tried.WebhookTest.Delivered {
		t.Errorf("%+v", tried)
	}
	for h, own := range map[*hooked]bool{staff: false, partner: true} {
		for _, w := range h.wrong {
			t.Error(w)
		}
		last := 0
		for _, e := range h.has() {
			var at int
			if _, err := fmt.Sscan(e.Position, &at); err != nil || at <= last {
				t.Errorf("position %s comes behind %d", e.Position, last)
			}
			last = at
			if own && (e.Text != nil || !slices.Contains(e.Subjects, "account:par-usd") || len(e.Entries) != 1 || e.Entries[0].Account.ID != "account:par-usd") ||
				!own && e.Text == nil {
				t.Errorf("%+v", e)
			}
		}
	}
	n.interrupt(t)
	verify(t, data)
}
