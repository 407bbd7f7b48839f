package journal

import (
	"errors"
	"strings"
	"testing"
)

// TestOpenFrom trusts a place: what lies behind it is checked at once, the rest later.
func TestOpenFrom(t *testing.T) {
	dir := t.TempDir()
	h := openHeads(t, dir)
	s := NewMemory("BOOK", "book")
	w := openWriter(t, s, "book", h)
	write(t, w, 20)
	at := w.Cursor()
	write(t, w, 5)
	open := func(trusted Cursor) (Report, error) {
		return OpenFrom(t.Context(), s, h, map[string]Cursor{"book": trusted})
	}
	if r, err := open(at); err != nil || r.Journals[0].Blocks != 5 || r.Journals[0].End != w.Cursor() {
		t.Fatalf("%+v %v", r, err)
	}
	moved := at
	moved.Head[0]++
	if r, err := open(moved); err != nil || r.Journals[0].Blocks != 25 {
		t.Fatalf("a place that does not fit is trusted: %+v %v", r, err)
	}
	s.damage(3)
	if _, err := open(at); err != nil {
		t.Fatalf("a trusted part is read: %v", err)
	}
	set, err := h.Set()
	if err != nil {
		t.Fatal(err)
	}
	var wrong *Broken
	if _, err := Verify(t.Context(), Gentle(s), set); !errors.As(err, &wrong) || wrong.Number != 3 {
		t.Fatalf("the whole check: %v", err)
	}
	s.damage(23)
	if _, err := open(at); !errors.As(err, &wrong) || wrong.Number != 23 {
		t.Fatalf("behind the place: %v", err)
	}
	s.damage(20)
	if _, err := open(at); err == nil || !strings.Contains(err.Error(), "block 3") {
		t.Fatalf("the place itself is damaged: %v", err)
	}
}

// damage flips a bit of a message.
func (s *Memory) damage(sequence int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data := []byte(string(s.messages[sequence-1].Data))
	data[len(data)-1] ^= 1
	s.messages[sequence-1].Data = data
}
