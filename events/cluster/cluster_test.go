package cluster_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/tollbook/tollbook/events/cluster"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, dir string) *cluster.Server {
	t.Helper()
	s, err := cluster.Start(t.Context(), options(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func options(dir string) cluster.Options {
	return cluster.Options{Dir: dir, Node: "n1", Logger: slog.New(slog.DiscardHandler)}
}

func TestStreamsSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	identity := func(s *cluster.Server) string {
		st, err := s.JetStream().Stream(t.Context(), cluster.StreamBook)
		if err != nil {
			t.Fatal(err)
		}
		return st.CachedInfo().Config.Metadata[cluster.IdentityKey]
	}
	before := identity(s)
	if _, err := s.JetStream().Publish(t.Context(), "book", []byte("x")); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	s.Stop()
	s = start(t, dir)
	if after := identity(s); before == "" || after != before {
		t.Fatalf("identity was %q, is %q", before, after)
	}
	if !s.Leads(cluster.StreamBook) || s.Clustered() {
		t.Fatal("a node alone leads its streams")
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	start(t, dir)
	_, err := cluster.Start(t.Context(), options(dir))
	var locked *cluster.LockedError
	if !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Fatalf("want LockedError with our pid, got %v", err)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Fatalf("more than one line: %q", err)
	}
}

func TestBadDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"", file, "/proc/nothing"} {
		if _, err := cluster.Start(t.Context(), options(dir)); err == nil || !strings.Contains(err.Error(), "data directory") {
			t.Errorf("%q: %v", dir, err)
		}
	}
}

func TestBadName(t *testing.T) {
	for _, name := range []string{"", "a.b", "a b", strings.Repeat("x", 65)} {
		if _, err := cluster.Start(t.Context(), cluster.Options{Dir: t.TempDir(), Node: name}); err == nil {
			t.Errorf("name %q was taken", name)
		}
	}
}

func TestLostMetaIsRefused(t *testing.T) {
	dir := t.TempDir()
	start(t, dir).Stop()
	meta := filepath.Join(dir, "jetstream", "$G", "streams", "BOOK", "meta.inf")
	text, err := os.ReadFile(meta)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(meta, text, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := cluster.Start(t.Context(), options(dir))
	if err == nil {
		s.Stop()
		t.Fatal("a damaged stream was made anew")
	}
	if !strings.Contains(err.Error(), "BOOK") {
		t.Fatal(err)
	}
}

func TestAsk(t *testing.T) {
	s := start(t, t.TempDir())
	if _, err := s.Ask(t.Context(), "ask.nobody", nil); !errors.Is(err, cluster.ErrNoAnswer) {
		t.Fatal(err)
	}
	stop, err := s.Answer(t.Context(), "echo", "ask.echo", func(_ context.Context, data []byte) ([]byte, error) {
		if len(data) == 0 {
			return nil, &cluster.Refusal{Code: "invalid", Text: "nothing to say"}
		}
		if data[0] == '!' {
			return nil, errors.New("broken")
		}
		return append([]byte("so: "), data...), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Ask(t.Context(), "ask.echo", []byte("hello"))
	if err != nil || string(out) != "so: hello" {
		t.Fatal(string(out), err)
	}
	var no *cluster.Refusal
	if _, err := s.Ask(t.Context(), "ask.echo", nil); !errors.As(err, &no) || no.Code != "invalid" {
		t.Fatal(err)
	}
	if _, err := s.Ask(t.Context(), "ask.echo", []byte("!")); !errors.As(err, &no) || no.Code != "internal" {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Ask(t.Context(), "ask.echo", []byte("x")); !errors.Is(err, cluster.ErrNoAnswer) {
		t.Fatal(err)
	}
}
