package journal

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// wantBroken checks that an error names a first wrong or missing place.
func wantBroken(t *testing.T, err error, position, number uint64) {
	t.Helper()
	var b *Broken
	if !errors.As(err, &b) || b.Position != position || b.Number != number {
		t.Fatalf("want broken at position %d, block %d; got %v", position, number, err)
	}
	if !bytes.Contains([]byte(err.Error()), fmt.Appendf(nil, "position %d ", position)) {
		t.Fatalf("the text does not name the position: %v", err)
	}
}

func TestRootOfRFC6962(t *testing.T) {
	// From the test data of Certificate Transparency.
	leaves := [][]byte{{}, {0x00}, {0x10}, {0x20, 0x21}, {0x30, 0x31}, {0x40, 0x41, 0x42, 0x43},
		{0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57},
		{0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f}}
	want := []string{
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	}
	for n := range want {
		root := Root(leaves[:n])
		if got := hex.EncodeToString(root[:]); got != want[n] {
			t.Errorf("%d leaves: %s, want %s", n, got, want[n])
		}
	}
}

// Any one byte changed in a stored block is seen, and so is a block that is left
// out, doubled or swapped.
func TestReaderSeesEveryChange(t *testing.T) {
	mem := NewMemory("BOOK", "book")
	write(t, openWriter(t, mem, "book", nil), 8)
	sound := slices.Clone(mem.messages)
	read := func() error {
		_, err := Read(t.Context(), mem, "book", Cursor{}, func(Block) error { return nil })
		return err
	}
	rapid.Check(t, func(t *rapid.T) {
		mem.messages = slices.Clone(sound)
		i := rapid.IntRange(0, len(sound)-1).Draw(t, "message")
		m := &mem.messages[i]
		bit := byte(1) << rapid.IntRange(0, 7).Draw(t, "bit")
		switch rapid.SampledFrom([]string{"data", "id", "left out", "swapped"}).Draw(t, "change") {
		case "data":
			m.Data = slices.Clone(m.Data)
			m.Data[rapid.IntRange(0, len(m.Data)-1).Draw(t, "byte")] ^= bit
		case "id":
			id := []byte(m.ID)
			id[rapid.IntRange(0, len(id)-1).Draw(t, "byte")] ^= bit
			m.ID = string(id)
		case "left out":
			if i == len(sound)-1 {
				return // Only heads.log knows that an end is missing.
			}
			mem.messages = slices.Delete(mem.messages, i, i+1)
		case "swapped":
			j := (i + 1) % len(sound)
			mem.messages[i].Data, mem.messages[j].Data = sound[j].Data, sound[i].Data
		}
		var wrong *Broken
		err := read()
		if !errors.As(err, &wrong) {
			t.Fatalf("not seen: %v", err)
		}
		// The last block's header is vouched for by no later block, but by
		// its id; so nothing is found later than it lies.
		if wrong.Number > uint64(i)+2 {
			t.Fatalf("block %d was changed, found at block %d", i+1, wrong.Number)
		}
	})
	mem.messages = sound
	if err := read(); err != nil {
		t.Fatal(err)
	}
}

func FuzzDecode(f *testing.F) {
	d, err := Cursor{}.draft("book", "n1", noon(), 1, [][]byte{event(1), event(2)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(d.data)
	f.Add([]byte{0x0a, 0x00})
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := decode(data)
		if err != nil {
			return
		}
		header, _, err := field(data, fieldHeader)
		if err != nil || !bytes.Equal(encode(header, b.Events), data) {
			t.Fatalf("bytes that no hash covers were taken: %x", data)
		}
	})
}

func TestReadEndsWithTheErrorOfFn(t *testing.T) {
	s := memory(t)
	write(t, openWriter(t, s, "book", nil), 5)
	enough := errors.New("enough")
	at, err := Read(t.Context(), s, "book", Cursor{}, func(b Block) error {
		if b.Number == 4 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || at.Number != 3 {
		t.Fatal(at, err)
	}
	if end, blocks := readAll(t, s, "book", at); blocks != 2 || end.Number != 5 {
		t.Fatal(end, blocks)
	}
}

func TestReadKnowsALostEnd(t *testing.T) {
	long, short := memory(t), memory(t)
	write(t, openWriter(t, short, "book", nil), 3)
	at := write(t, openWriter(t, long, "book", nil), 5).Cursor
	_, err := Read(t.Context(), short, "book", at, func(Block) error { return nil })
	wantBroken(t, err, 11, 6)
}

// deaf is a store whose live feed says nothing.
type deaf struct{ Store }

func (deaf) Live(string) (Live, error) { return Live{Stop: func() {}}, nil }

func TestFollowLosesNothing(t *testing.T) {
	srv := startServer(t, t.TempDir())
	stores := map[string]Store{
		"memory": NewMemory("LOG", "log.>"),
		"stream": openStream(t, srv, "LOG"),
		"deaf":   deaf{NewMemory("LOG", "log.>")},
	}
	for name, s := range stores {
		t.Run(name, func(t *testing.T) {
			const before, after = 20, 200
			w := openWriter(t, s, "log.calls.n1", nil)
			write(t, w, before)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					var last uint64
					at, err := Follow(ctx, s, "log.calls.n1", Cursor{}, func(b Block) error {
						if last++; b.Number != last {
							return fmt.Errorf("block %d after %d", b.Number, last-1)
						}
						if last == before+after {
							return errEnough
						}
						return nil
					})
					if !errors.Is(err, errEnough) || at.Number != before+after-1 {
						t.Error(at, err)
					}
				})
			}
			write(t, w, after)
			wg.Wait()
		})
	}
}

var errEnough = errors.New("enough")

func TestFollowEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := memory(t)
	write(t, openWriter(t, s, "book", nil), 1)
	_, err := Follow(ctx, s, "book", Cursor{}, func(Block) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func TestFollowEndsWithTheStore(t *testing.T) {
	srv := startServer(t, t.TempDir())
	s := openStream(t, srv, "BOOK")
	write(t, openWriter(t, s, "book", nil), 1)
	_, err := Follow(t.Context(), s, "book", Cursor{}, func(Block) error { srv.Stop(); return nil })
	if !errors.Is(err, ErrStoreClosed) {
		t.Fatal(err)
	}
}
