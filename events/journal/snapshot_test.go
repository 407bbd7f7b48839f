package journal

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSnapshots(t *testing.T) {
	dir, s := t.TempDir(), memory(t)
	w := openWriter(t, s, "book", nil)
	load := func() (Snapshot, error) { return LoadSnapshot(t.Context(), dir, "fold", s, "book", "v1") }
	if _, err := load(); !errors.Is(err, ErrNoSnapshot) {
		t.Fatal(err)
	}
	var at []Cursor
	for range 3 {
		c := write(t, w, 4).Cursor
		at = append(at, c)
		snap := Snapshot{Journal: "book", Identity: s.Identity(), Fold: "v1", At: c, Payload: []byte{byte(c.Number)}}
		if err := SaveSnapshot(dir, "fold", snap); err != nil {
			t.Fatal(err)
		}
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(paths) != 2 {
		t.Fatal(paths, err)
	}
	if got, err := load(); err != nil || got.At != at[2] || string(got.Payload) != "\x0c" {
		t.Fatalf("%+v %v", got, err)
	}
	// Whatever byte of the newest changes, the one before it is used.
	text, err := os.ReadFile(paths[1])
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(text); i += 3 {
		bad := append([]byte{}, text...)
		bad[i] ^= 1
		if err := os.WriteFile(paths[1], bad[:len(bad)-i%2], 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := load(); err != nil || got.At != at[1] {
			t.Fatalf("byte %d: %+v %v", i, got.At, err)
		}
	}
}

func TestSnapshotThatDoesNotFit(t *testing.T) {
	s := memory(t)
	w := openWriter(t, s, "book", nil)
	at := write(t, w, 3).Cursor
	good := Snapshot{Journal: "book", Identity: s.Identity(), Fold: "v1", At: at}
	for reason, change := range map[string]func(*Snapshot){
		"another stream":     func(s *Snapshot) { s.Identity = "x" },
		"fold version":       func(s *Snapshot) { s.Fold = "v0" },
		"of journal":         func(s *Snapshot) { s.Journal = "log.x" },
		"with hash":          func(s *Snapshot) { s.At.Head[0]++ },
		"not in the stream":  func(s *Snapshot) { s.At.Sequence, s.At.Number = 9, 9 },
		"has block 3 with h": func(s *Snapshot) { s.At.Number = 2 },
	} {
		dir, bad := t.TempDir(), good
		change(&bad)
		if err := SaveSnapshot(dir, "fold", bad); err != nil {
			t.Fatal(err)
		}
		_, err := LoadSnapshot(t.Context(), dir, "fold", s, "book", "v1")
		if !errors.Is(err, ErrNoSnapshot) || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v", reason, err)
		}
	}
	if err := SaveSnapshot(t.TempDir(), "a/b", good); err == nil {
		t.Error("a path was taken for a name")
	}
	write(t, w, 2)
	if err := s.Purge(t.Context(), "book", at.Sequence+1); err != nil {
		t.Fatal(err)
	}
	if err := CheckCursor(t.Context(), s, "book", at); err != nil {
		t.Errorf("the next block proves the trimmed one: %v", err)
	}
}
