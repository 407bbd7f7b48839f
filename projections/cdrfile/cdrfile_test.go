package cdrfile

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// receiver is a server that keeps what it gets by path, or answers with a status.
func receiver(t *testing.T, status int, token string) (Target, map[string]string) {
	t.Helper()
	got := map[string]string{}
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPut || r.Header.Get("Authorization") != token || r.Header.Get("Content-Digest") == "" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		got[r.URL.Path] = string(body)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	return Target{URL: s.URL + "/in/", CA: string(ca), Allow: loopback}, got
}

func TestSend(t *testing.T) {
	to, got := receiver(t, http.StatusCreated, "Bearer secret")
	to.Token = "secret"
	for range 2 { // a repetition is the same file
		if err := to.Put(t.Context(), "a.csv", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != 1 || got["/in/a.csv"] != "x" {
		t.Errorf("%v", got)
	}
}

func TestSendIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		spoil  func(*Target)
		want   string
	}{
		"address":   {200, func(t *Target) { t.Allow = nil }, "no address of the public Internet"},
		"authority": {200, func(t *Target) { t.CA = "" }, "certificate"},
		"no ca":     {200, func(t *Target) { t.CA = "x" }, "has no certificate"},
		"redirect":  {307, func(*Target) {}, "answers 307"},
		"server":    {500, func(*Target) {}, "answers 500"},
		"token":     {200, func(t *Target) { t.Token = "wrong" }, "answers 403"},
	} {
		to, got := receiver(t, c.status, "")
		c.spoil(&to)
		if err := to.Put(t.Context(), "a.csv", []byte("x")); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if got["/elsewhere"] != "" {
			t.Errorf("%s: the redirect was followed", name)
		}
	}
}

func TestStore(t *testing.T) {
	base := filepath.Join(t.TempDir(), "base")
	to := Target{Base: base, Directory: "partner/daily"}
	for _, text := range []string{"x", "y"} {
		if err := to.Put(t.Context(), "a.csv", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(base, "partner", "daily", "a.csv")); err != nil || string(got) != text {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if all, err := os.ReadDir(filepath.Join(base, "partner", "daily")); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
	outside := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(base, "link")); err != nil {
		t.Fatal(err)
	}
	to.Directory = "link"
	if err := to.Put(t.Context(), "a.csv", nil); err == nil {
		t.Error("a link leads out of the directory")
	}
}
