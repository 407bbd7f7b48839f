package digest

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func draw(n uint64) (b [8]byte) {
	binary.BigEndian.PutUint64(b[:], n)
	return b
}

func counted(nonce string, n uint32) *Answer {
	return &Answer{Nonce: nonce, QOP: "auth", Count: n, NC: fmt.Sprintf("%08x", n), CNonce: "c"}
}

func TestNonceLife(t *testing.T) {
	n := NewNonces([]byte("key"), 10)
	nonce := n.Make(noon, draw(1))
	steps := []struct {
		at    time.Duration
		count uint32
		want  Verdict
	}{
		{0, 0, Stale}, // counts begin with 1
		{0, 1, Fresh},
		{0, 1, Stale}, // replayed
		{time.Second, 2, Fresh},
		{time.Second, 5, Fresh},
		{time.Second, 4, Stale},
		{NonceFor, 6, Fresh},
		{NonceFor + time.Second, 7, Stale},
		{-2 * time.Second, 8, Stale}, // from the future
	}
	for i, s := range steps {
		if got := n.Look(counted(nonce, s.count), noon.Add(s.at)); got != s.want {
			t.Errorf("step %d: a look gives %v, want %v", i, got, s.want)
		}
		if got := n.Use(counted(nonce, s.count), noon.Add(s.at)); got != s.want {
			t.Errorf("step %d: %v, want %v", i, got, s.want)
		}
	}
}

func TestNonceWithoutCount(t *testing.T) {
	n := NewNonces([]byte("key"), 10)
	a := &Answer{Nonce: n.Make(noon, draw(1))}
	if got := n.Use(a, noon); got != Fresh {
		t.Errorf("the first use is %v", got)
	}
	if got := n.Use(a, noon); got != Stale {
		t.Errorf("the second use is %v", got)
	}
	if got := n.Use(counted(a.Nonce, 9), noon); got != Stale {
		t.Errorf("a use with a count after one without is %v", got)
	}
}

func TestForeignNonces(t *testing.T) {
	n, other := NewNonces([]byte("key"), 10), NewNonces([]byte("another"), 10)
	nonce := n.Make(noon, draw(1))
	for _, foreign := range []string{"", "x", nonce[1:], nonce + "A", "A" + nonce[1:], other.Make(noon, draw(1))} {
		if got := n.Use(counted(foreign, 1), noon); got != Foreign {
			t.Errorf("%q is %v", foreign, got)
		}
	}
	if n.Len() != 0 {
		t.Errorf("%d foreign nonces are remembered", n.Len())
	}
}

// However nonces are made, used and forgotten: none is taken twice with the same
// count, and the memory keeps its bound.
func TestNoReplay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const most = 4
		n := NewNonces([]byte("key"), most)
		type spent struct {
			nonce string
			count uint32
		}
		var made []string
		used := map[spent]bool{}
		now := noon
		for i := range rapid.IntRange(1, 80).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "seconds")) * time.Second)
			if len(made) == 0 || rapid.Bool().Draw(t, "make") {
				made = append(made, n.Make(now, draw(uint64(i))))
				continue
			}
			s := spent{rapid.SampledFrom(made).Draw(t, "nonce"), uint32(rapid.IntRange(1, 3).Draw(t, "count"))}
			if n.Use(counted(s.nonce, s.count), now) == Fresh {
				if used[s] {
					t.Fatalf("%v is taken twice", s)
				}
				used[s] = true
			}
			if n.Len() > most {
				t.Fatalf("%d nonces are remembered", n.Len())
			}
		}
	})
}

// A full memory forgets the oldest, and never again takes what it forgot.
func TestFullMemory(t *testing.T) {
	n := NewNonces([]byte("key"), 2)
	var nonces []string
	for i := range 3 {
		nonces = append(nonces, n.Make(noon.Add(time.Duration(i)*time.Second), draw(uint64(i))))
	}
	now := noon.Add(3 * time.Second)
	for _, nonce := range nonces {
		if got := n.Use(counted(nonce, 1), now); got != Fresh {
			t.Fatalf("%v", got)
		}
	}
	if got := n.Use(counted(nonces[0], 1), now); got != Stale {
		t.Errorf("the forgotten nonce is %v", got)
	}
	if got := n.Use(counted(nonces[2], 2), now); got != Fresh {
		t.Errorf("the newest one is %v", got)
	}
}
