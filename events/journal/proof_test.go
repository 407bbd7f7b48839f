package journal

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

// unevenly appends blocks of 0, 1, 2, … events.
func unevenly(t testing.TB, w *Writer, blocks int) uint64 {
	t.Helper()
	at := w.Cursor().Next()
	for n := range blocks {
		var evs [][]byte
		for range n {
			evs = append(evs, event(int(at)))
			at++
		}
		if _, err := w.Append(t.Context(), noon(), 1, evs); err != nil {
			t.Fatal(err)
		}
	}
	return at - 1
}

func TestProofOfEveryEvent(t *testing.T) {
	h := openHeads(t, t.TempDir())
	s := memory(t)
	w := openWriter(t, s, "book", h)
	last := unevenly(t, w, 9)
	if set, _ := h.Set(); len(set.signed) != 0 {
		t.Fatal("signed already")
	}
	set, _ := h.Set()
	if _, err := Prove(t.Context(), s, set, "book", 1); !errors.Is(err, ErrNotSigned) {
		t.Fatal(err)
	}
	if err := h.Sign(); err != nil {
		t.Fatal(err)
	}
	unevenly(t, w, 3) // beyond the signed head
	set, err := h.Set()
	if err != nil {
		t.Fatal(err)
	}
	for at := uint64(1); at <= last; at++ {
		p, err := Prove(t.Context(), s, set, "book", at)
		if err != nil {
			t.Fatal(at, err)
		}
		file, _ := p.Bytes()
		got, err := CheckProof(file, set.PublicKey())
		if err != nil || got.Position != at || string(got.Event) != string(event(int(at))) || got.Journal != "book" {
			t.Fatalf("position %d: %+v %v", at, got, err)
		}
	}
	for _, at := range []uint64{0, last + 100} {
		if _, err := Prove(t.Context(), s, set, "book", at); !errors.Is(err, ErrNoMessage) {
			t.Errorf("position %d: %v", at, err)
		}
	}
	if _, err := Prove(t.Context(), s, set, "book", last+1); !errors.Is(err, ErrNotSigned) {
		t.Error(err)
	}
}

// TestProofOfTamperedBytes changes each byte of a proof, and a few things with
// more skill.
func TestProofOfTamperedBytes(t *testing.T) {
	h := openHeads(t, t.TempDir())
	s := memory(t)
	unevenly(t, openWriter(t, s, "book", h), 6)
	if err := h.Sign(); err != nil {
		t.Fatal(err)
	}
	set, _ := h.Set()
	p, err := Prove(t.Context(), s, set, "book", 5)
	if err != nil {
		t.Fatal(err)
	}
	file, _ := p.Bytes()
	for i := range file {
		for _, bit := range []byte{1, 0x10, 0x20} {
			bad := bytes.Clone(file)
			bad[i] ^= bit
			if _, err := CheckProof(bad, nil); !errors.Is(err, ErrProof) {
				t.Fatalf("byte %d of %d as %q: %v", i, len(file), bad[i], err)
			}
		}
	}
	for name, change := range map[string]func(p *Proof){
		"another event":    func(p *Proof) { p.Event = event(4) },
		"another position": func(p *Proof) { p.Position = 4 },
		"beyond the block": func(p *Proof) { p.Position = 7 },
		"no header":        func(p *Proof) { p.Headers = nil },
		"a header less":    func(p *Proof) { p.Headers = p.Headers[:1] },
		"a header twice":   func(p *Proof) { p.Headers = append(p.Headers[:1:1], p.Headers...) },
		"a longer path":    func(p *Proof) { p.Path = append(p.Path, p.Path[0]) },
		"no path":          func(p *Proof) { p.Path = []string{} },
		"a later head":     func(p *Proof) { p.Head.Number++ },
	} {
		bad := *p
		change(&bad)
		text, _ := bad.Bytes()
		if _, err := CheckProof(text, nil); !errors.Is(err, ErrProof) {
			t.Errorf("%s: %v", name, err)
		}
	}
	other, _ := openHeads(t, t.TempDir()).Set()
	if _, err := CheckProof(file, other.PublicKey()); !errors.Is(err, ErrProof) {
		t.Error("another key is trusted", err)
	}
}

func TestAuditPaths(t *testing.T) {
	for n := 1; n <= 70; n++ {
		var leaves [][]byte
		for i := range n {
			leaves = append(leaves, fmt.Append(nil, i))
		}
		hashes, root := leafHashes(leaves), Root(leaves)
		for i := range n {
			path := auditPath(hashes, i)
			if got, ok := rootOf(hashes[i], i, n, path); !ok || got != root {
				t.Fatalf("leaf %d of %d", i, n)
			}
			if got, ok := rootOf(hashes[i], (i+1)%n, n, path); n > 1 && ok && got == root {
				t.Fatalf("leaf %d of %d passes for another", i, n)
			}
		}
	}
}

func TestSignedHeadsOutliveCompaction(t *testing.T) {
	dir := t.TempDir()
	h := openHeads(t, dir)
	s := memory(t)
	w := openWriter(t, s, "book", h)
	write(t, w, 3)
	if err := h.Sign(); err != nil {
		t.Fatal(err)
	}
	h.limit = 1000
	write(t, w, signLines)
	write(t, w, 5)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	set, err := ReadHeads(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []uint64{1, 6, 7, 2000, 2016} {
		if _, err := Prove(t.Context(), s, set, "book", at); err != nil {
			t.Errorf("position %d: %v", at, err)
		}
	}
	if n := len(thin(make([]SignedHead, 5000))); n != 5000 { // all of one block are last
		t.Error(n)
	}
	var many []SignedHead
	for n := uint64(1); n <= 5000; n += 60 {
		many = append(many, SignedHead{Head: Head{Journal: "book", Number: n}})
	}
	if n := len(thin(many)); n > 6 {
		t.Errorf("%d of %d are kept", n, len(many))
	}
}
