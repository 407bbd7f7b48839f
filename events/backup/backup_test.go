package backup_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/backup"
	"github.com/tollbook/tollbook/events/cluster"
	"github.com/tollbook/tollbook/events/journal"
)

// shelf is a Blobs in memory.
type shelf map[string][]byte

func (s shelf) Names(context.Context) (out []string, err error) {
	for name := range s {
		out = append(out, name)
	}
	return out, nil
}

func (s shelf) Get(_ context.Context, digest []byte) ([]byte, error) {
	if data, ok := s[hex.EncodeToString(digest)]; ok {
		return data, nil
	}
	return nil, events.NotFound("there is no blob %x", digest)
}

func (s shelf) Put(_ context.Context, digest [32]byte, data []byte) error {
	s[hex.EncodeToString(digest[:])] = data
	return nil
}

func start(t *testing.T, dir string, bring bool) *cluster.Server {
	t.Helper()
	s, err := cluster.Start(t.Context(), cluster.Options{Dir: dir, Node: "n1", Logger: slog.New(slog.DiscardHandler), Bring: bring})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func open(t *testing.T, s *cluster.Server, name string) *journal.Stream {
	t.Helper()
	store, err := journal.OpenStream(t.Context(), s.Conn(), name)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// write appends blocks of one event to journals in turn, so that their sequences lie
// between each other's.
func write(t *testing.T, store journal.Store, blocks int, journals ...string) {
	t.Helper()
	writers := map[string]*journal.Writer{}
	for i := range blocks {
		name := journals[i%len(journals)]
		if writers[name] == nil {
			w, err := journal.OpenWriter(t.Context(), store, journal.WriterOptions{Journal: name, Node: "n1"})
			if err != nil {
				t.Fatal(err)
			}
			writers[name] = w
		}
		if _, err := writers[name].Append(t.Context(), time.Unix(int64(i), 0), 1, [][]byte{[]byte(name)}); err != nil {
			t.Fatal(err)
		}
	}
}

// made is a store with a backup of it.
func made(t *testing.T) (from backup.Source, dir string) {
	t.Helper()
	data := t.TempDir()
	s := start(t, data, false)
	if _, err := cluster.OpenKey(data); err != nil {
		t.Fatal(err)
	}
	from = backup.Source{
		Node: "n1", Book: open(t, s, cluster.StreamBook), Log: open(t, s, cluster.StreamLog), Blobs: shelf{}, Key: filepath.Join(data, cluster.KeyFile),
	}
	write(t, from.Book, 5, "book")
	write(t, from.Log, 40, "log.calls.n1", "log.calls.n2", "log.audit.n1")
	deck := []byte("31,0.1")
	if err := from.Blobs.Put(t.Context(), sha256.Sum256(deck), deck); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "saved")
	if _, err := backup.Make(t.Context(), dir, from, time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	return from, dir
}

// same compares the messages of a stream with those of the one that it continues.
func same(t *testing.T, got, want *journal.Stream) {
	t.Helper()
	if got.Identity() != want.Identity() {
		t.Errorf("the identity is %s, was %s", got.Identity(), want.Identity())
	}
	names, err := want.Subjects(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		a, err := got.Read(t.Context(), name, 1)
		if err != nil {
			t.Fatal(err)
		}
		b, err := want.Read(t.Context(), name, 1)
		if err != nil || len(a) != len(b) || len(a) == 0 {
			t.Fatalf("%s has %d blocks, want %d %v", name, len(a), len(b), err)
		}
		for i := range a {
			if a[i].Sequence != b[i].Sequence || a[i].ID != b[i].ID || !bytes.Equal(a[i].Data, b[i].Data) {
				t.Fatalf("%s: block %d is another", name, i+1)
			}
		}
	}
}

// TestRestore fills a new store, breaks off, goes on, and has every block under its
// sequence.
func TestRestore(t *testing.T) {
	from, dir := made(t)
	data := t.TempDir()
	key := filepath.Join(data, cluster.KeyFile)
	if err := backup.CheckKey(dir, key); err != nil {
		t.Fatal(err)
	}
	m, err := backup.Check(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, data, true)
	for _, stream := range m.Streams { // as far as a restore came that was killed
		if _, err := s.Bring(t.Context(), stream.Name, stream.Identity); err != nil {
			t.Fatal(err)
		}
	}
	archive, err := journal.OpenArchive(filepath.Join(dir, "journals"))
	if err != nil {
		t.Fatal(err)
	}
	if last, err := archive.Fill(t.Context(), open(t, s, cluster.StreamLog), 17, nil); err != nil || last != 17 {
		t.Fatal(last, err)
	}
	s.Stop()
	if _, err := cluster.Start(t.Context(), cluster.Options{Dir: data, Node: "n1", Logger: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), "still being brought") {
		t.Fatalf("a store that is half restored is opened: %v", err)
	}
	blobs := shelf{}
	s = start(t, data, true)
	if _, err := backup.Restore(t.Context(), dir, s, blobs, slog.New(slog.DiscardHandler), nil); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	s = start(t, data, false)
	same(t, open(t, s, cluster.StreamBook), from.Book.(*journal.Stream))
	same(t, open(t, s, cluster.StreamLog), from.Log.(*journal.Stream))
	if len(blobs) != 1 {
		t.Errorf("%d blobs", len(blobs))
	}
	if err := os.WriteFile(key, []byte(strings.Repeat("00", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := backup.CheckKey(dir, key); err == nil || !strings.Contains(err.Error(), "-key") {
		t.Errorf("another key is taken: %v", err)
	}
}

// TestBadBackups are refused, with the place.
func TestBadBackups(t *testing.T) {
	for name, c := range map[string]struct {
		harm func(t *testing.T, dir string)
		want string
	}{
		"unfinished":   {func(t *testing.T, dir string) { remove(t, dir, "manifest.json") }, "not finished"},
		"other layout": {func(t *testing.T, dir string) { change(t, dir, "manifest.json", `"version": 1`, `"version": 9`) }, "layout 9"},
		"no manifest":  {func(t *testing.T, dir string) { change(t, dir, "manifest.json", `{`, `[`) }, "read backup"},
		"a segment is missing": {func(t *testing.T, dir string) {
			remove(t, dir, "journals/log.calls.n2-*.seg")
		}, "has no block with sequence 2"},
		"a segment is cut":  {func(t *testing.T, dir string) { truncate(t, dir, "journals/book-*.seg") }, "damaged"},
		"a blob is missing": {func(t *testing.T, dir string) { remove(t, dir, "blobs/*") }, "0 blobs, the manifest says 1"},
		"a blob is cut":     {func(t *testing.T, dir string) { truncate(t, dir, "blobs/*") }, "is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			_, dir := made(t)
			c.harm(t, dir)
			_, err := backup.Check(dir)
			if err == nil {
				_, err = backup.Restore(t.Context(), dir, start(t, t.TempDir(), true), shelf{}, slog.New(slog.DiscardHandler), nil)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	from, dir := made(t)
	if _, err := backup.Make(t.Context(), dir, from, time.Unix(0, 0)); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a backup is written over another: %v", err)
	}
}

func find(t *testing.T, dir, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(files) == 0 {
		t.Fatal(pattern, files, err)
	}
	return files[0]
}

func remove(t *testing.T, dir, pattern string) {
	t.Helper()
	if err := os.Remove(find(t, dir, pattern)); err != nil {
		t.Fatal(err)
	}
}

func truncate(t *testing.T, dir, pattern string) {
	t.Helper()
	path := find(t, dir, pattern)
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, text[:len(text)-1], 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func change(t *testing.T, dir, pattern, old, with string) {
	t.Helper()
	path := find(t, dir, pattern)
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, bytes.Replace(text, []byte(old), []byte(with), 1), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
