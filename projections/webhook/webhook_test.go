package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

func server(t *testing.T, h http.HandlerFunc) Target {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	return Target{Key: "erp", URL: s.URL, CA: string(ca), Secret: []byte("sixteen letters!"), Allow: loopback}
}

// A delivery can be proved by whoever has the secret.
func TestSigned(t *testing.T) {
	var got http.Header
	var body []byte
	to := server(t, func(_ http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		body, _ = io.ReadAll(r.Body)
	})
	now := time.Unix(1_800_000_000, 0)
	d := Delivery{Webhook: "erp", Delivery: "erp-1-2", Events: []json.RawMessage{json.RawMessage(`{"id":"a"}`), json.RawMessage(`{"id":"b"}`)}}
	if err := to.Send(t.Context(), d, now); err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, to.Secret)
	fmt.Fprintf(mac, "1800000000.%s", body)
	if want := "t=1800000000,v1=" + hex.EncodeToString(mac.Sum(nil)); got.Get("Tollbook-Signature") != want {
		t.Errorf("signed with %q, want %q", got.Get("Tollbook-Signature"), want)
	}
	if got.Get("Tollbook-Delivery") != "erp-1-2" || got.Get("Content-Type") != "application/json" ||
		!bytes.Equal(body, []byte(`{"webhook":"erp","delivery":"erp-1-2","events":[{"id":"a"},{"id":"b"}]}`)) {
		t.Errorf("%v\n%s", got, body)
	}
}

func TestRefusals(t *testing.T) {
	elsewhere := false
	other := server(t, func(http.ResponseWriter, *http.Request) { elsewhere = true })
	status := http.StatusOK
	to := server(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", other.URL)
		w.WriteHeader(status)
		fmt.Fprint(w, strings.Repeat("no ", 1000))
	})
	for code, want := range map[int]string{500: "500 Internal", 302: "302 Found", 404: "404", 410: ErrGone.Error()} {
		status = code
		err := to.Send(t.Context(), Delivery{}, time.Now())
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 2*maxHeard || errors.Is(err, ErrGone) != (code == 410) {
			t.Errorf("%d: %v", code, err)
		}
	}
	if elsewhere {
		t.Error("a redirect is followed")
	}
	status = http.StatusOK
	private := to
	private.Allow = nil
	if err := private.Send(t.Context(), Delivery{}, time.Now()); err == nil || !strings.Contains(err.Error(), "webhooks.allow") {
		t.Errorf("a private address: %v", err)
	}
	stranger := to
	stranger.CA = ""
	if err := stranger.Send(t.Context(), Delivery{}, time.Now()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("nobody vouches for the server: %v", err)
	}
}

func TestBatch(t *testing.T) {
	long := json.RawMessage(strings.Repeat("x", MaxBytes))
	short := json.RawMessage("{}")
	many := make([]json.RawMessage, 3*MaxEvents)
	for i := range many {
		many[i] = short
	}
	for _, c := range []struct {
		list []json.RawMessage
		want int
	}{{nil, 0}, {[]json.RawMessage{short}, 1}, {[]json.RawMessage{long, short}, 1}, {[]json.RawMessage{short, long}, 1}, {many, MaxEvents}} {
		if got := Batch(c.list); got != c.want {
			t.Errorf("%d events: %d", len(c.list), got)
		}
	}
}
