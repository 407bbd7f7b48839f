package journal

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func headsFile(t *testing.T, dir string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, HeadsFile))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestHeadsAreKeptAndSigned(t *testing.T) {
	dir := t.TempDir()
	h := openHeads(t, dir)
	s := memory(t)
	write(t, openWriter(t, s, "book", h), 7)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	text := headsFile(t, dir)
	if n := bytes.Count(text, []byte("h BOOK book ")); n != 7 {
		t.Fatalf("%d heads:\n%s", n, text)
	}
	if lines := strings.Split(strings.TrimSpace(string(text)), "\n"); !strings.HasPrefix(lines[len(lines)-1], "s ") {
		t.Fatalf("not signed at the end:\n%s", text)
	}
	if info, err := os.Stat(filepath.Join(dir, KeyFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info, err)
	}
	h = openHeads(t, dir)
	if last, ok := h.Last("book"); !ok || last.Number != 7 || last.Position != 14 {
		t.Fatalf("%+v", last)
	}
	if _, err := Open(t.Context(), s, h); err != nil {
		t.Fatal(err)
	}
}

func TestHeadsTornEnd(t *testing.T) {
	dir := t.TempDir()
	h := openHeads(t, dir)
	s := memory(t)
	w := openWriter(t, s, "book", h)
	write(t, w, 3)
	text := headsFile(t, dir)
	for cut := 1; cut < 40; cut += 7 {
		torn := t.TempDir()
		tail := append(bytes.Clone(text[:len(text)-cut]), make([]byte, cut%3)...)
		if err := os.WriteFile(filepath.Join(torn, HeadsFile), tail, 0o600); err != nil {
			t.Fatal(err)
		}
		h := openHeads(t, torn)
		if last, _ := h.Last("book"); last.Number != 2 {
			t.Fatalf("cut %d: last %+v", cut, last)
		}
		if _, err := Open(t.Context(), s, h); err != nil {
			t.Fatal(err)
		}
		if last, _ := h.Last("book"); last.Number != 3 {
			t.Fatalf("not caught up: %+v", last)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		if set, err := ReadHeads(torn); err != nil || len(set.heads) != 3 {
			t.Fatal(set, err)
		}
	}
}

func TestHeadsDamageBeforeASignature(t *testing.T) {
	dir := t.TempDir()
	h := openHeads(t, dir)
	write(t, openWriter(t, memory(t), "book", h), 3)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	text := headsFile(t, dir)
	signature := bytes.LastIndex(text, []byte("\ns ")) + 1
	// The line break before the signature is part of its line.
	for i := range signature - 1 {
		bad := bytes.Clone(text)
		bad[i] ^= 4
		if err := os.WriteFile(filepath.Join(dir, HeadsFile), bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenHeads(dir); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Fatalf("byte %d: %v", i, err)
		}
	}
}

func TestHeadsDoNotGrowForEver(t *testing.T) {
	dir := t.TempDir()
	h := openHeads(t, dir)
	h.limit = 100 << 10
	s := NewMemory("LOG", "log.>")
	write(t, openWriter(t, s, "log.quiet", h), 1)
	w := openWriter(t, s, "log.calls", h)
	for range 10 {
		write(t, w, signLines)
		if size := len(headsFile(t, dir)); size > 400<<10 {
			t.Fatalf("heads.log has %d bytes", size)
		}
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	h = openHeads(t, dir)
	if last, ok := h.Last("log.quiet"); !ok || last.Number != 1 {
		t.Fatalf("the quiet journal's head was dropped: %+v", last)
	}
	report, err := Open(t.Context(), s, h)
	if err != nil || report.Journals[0].Heads == 0 {
		t.Fatalf("%+v %v", report, err)
	}
}

func TestLostEndIsRefused(t *testing.T) {
	h := openHeads(t, t.TempDir())
	long, short := memory(t), memory(t)
	write(t, openWriter(t, short, "book", nil), 4)
	write(t, openWriter(t, long, "book", h), 9)
	report, err := Open(t.Context(), short, h)
	wantBroken(t, err, 9, 5)
	if r := report.Journals[0]; r.Blocks != 4 || r.Events != 8 || r.End.Position != 8 {
		t.Fatalf("%+v", r)
	}
	_, err = Open(t.Context(), memory(t), h)
	wantBroken(t, err, 1, 1)
}

func TestOtherChainIsRefused(t *testing.T) {
	h := openHeads(t, t.TempDir())
	write(t, openWriter(t, memory(t), "book", h), 9)
	other := memory(t)
	w := openWriter(t, other, "book", nil)
	if _, err := w.Append(t.Context(), noon(), 1, [][]byte{event(1), event(2)}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Append(t.Context(), noon(), 1, [][]byte{event(3), []byte("forged")}); err != nil {
		t.Fatal(err)
	}
	write(t, w, 20)
	_, err := Open(t.Context(), other, h)
	wantBroken(t, err, 3, 2)
}
