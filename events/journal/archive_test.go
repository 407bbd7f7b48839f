package journal

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestReadFromTheFirstPositionAfterATrim(t *testing.T) {
	srv := startServer(t, t.TempDir())
	for _, store := range []Store{NewMemory("LOG", "log.>"), openStream(t, srv, "LOG")} {
		dir, heads := t.TempDir(), openHeads(t, t.TempDir())
		w := openWriter(t, store, "log.calls", heads)
		other := openWriter(t, store, "log.audit", heads)
		write(t, w, 30)
		write(t, other, 3)
		write(t, w, 30)
		a, err := OpenArchive(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, upTo := range []uint64{10, 25, 40} {
			if end, err := a.Seal(t.Context(), store, "log.calls", upTo); err != nil || end.Number != upTo {
				t.Fatal(end, err)
			}
		}
		if _, err := a.Trim(t.Context(), store, heads, "log.calls", 41); err == nil {
			t.Fatal("blocks that are not sealed were trimmed")
		}
		if at, err := a.Trim(t.Context(), store, heads, "log.calls", 35); err != nil || at.Number != 35 {
			t.Fatal(at, err)
		}
		_, err = Read(t.Context(), store, "log.calls", Cursor{}, func(Block) error { return nil })
		wantBroken(t, err, 1, 1)
		if a, err = OpenArchive(dir); err != nil {
			t.Fatal(err)
		}
		end, blocks := readAll(t, a.Join(store), "log.calls", Cursor{})
		if blocks != 60 || end != w.Cursor() {
			t.Fatalf("%d blocks to %+v", blocks, end)
		}
		write(t, openWriter(t, store, "log.calls", heads), 5)
		trimmed, err := Open(t.Context(), store, heads)
		if err != nil || trimmed.Journals[1].Base.Number != 35 || trimmed.Journals[1].Blocks != 30 {
			t.Fatalf("%+v %v", trimmed, err)
		}
		whole, err := Open(t.Context(), a.Join(store), heads)
		if err != nil || whole.Journals[1].Blocks != 30 {
			t.Fatalf("%+v %v", whole, err)
		}
	}
}

func TestTrimKeepsTheLastBlock(t *testing.T) {
	store, heads := memory(t), openHeads(t, t.TempDir())
	write(t, openWriter(t, store, "book", heads), 5)
	a, err := OpenArchive(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Seal(t.Context(), store, "book", 6); err == nil {
		t.Fatal("a block that is not there was sealed")
	}
	if _, err := a.Seal(t.Context(), store, "book", 5); err != nil {
		t.Fatal(err)
	}
	if at, err := a.Trim(t.Context(), store, heads, "book", 5); err != nil || at.Number != 4 {
		t.Fatal(at, err)
	}
	write(t, openWriter(t, store, "book", heads), 2)
	if end, blocks := readAll(t, a.Join(store), "book", Cursor{}); blocks != 7 || end.Number != 7 {
		t.Fatal(end, blocks)
	}
}

func TestDamagedSegmentIsNeverTrimmedFor(t *testing.T) {
	dir, store := t.TempDir(), memory(t)
	write(t, openWriter(t, store, "book", nil), 20)
	a, err := OpenArchive(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Seal(t.Context(), store, "book", 15); err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil || len(paths) != 1 {
		t.Fatal(paths, err)
	}
	text, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(text); i += 5 {
		bad := bytes.Clone(text)
		bad[i] ^= 0x10
		if err := os.WriteFile(paths[0], bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Trim(t.Context(), store, nil, "book", 10); err == nil {
			t.Fatalf("byte %d: the damage was not seen", i)
		}
	}
	if _, blocks := readAll(t, store, "book", Cursor{}); blocks != 20 {
		t.Fatal("blocks are lost")
	}
}
