package journal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tollbook/tollbook/events/cluster"
)

// The data directories of the damage tests: one of a node that was stopped, one
// as after kill -9, copied while the node runs.
func makeDirs(t *testing.T, blocks int) map[string]string {
	t.Helper()
	live, killed := t.TempDir(), filepath.Join(t.TempDir(), "killed")
	srv, heads := startServer(t, live), openHeads(t, live)
	write(t, openWriter(t, openStream(t, srv, "BOOK"), "book", heads), blocks)
	logs := openStream(t, srv, "LOG")
	calls, audit := openWriter(t, logs, "log.calls.n1", heads), openWriter(t, logs, "log.audit.n1", heads)
	for range blocks / 3 {
		write(t, calls, 2)
		write(t, audit, 1)
	}
	if err := copyTree(killed, live); err != nil {
		t.Fatal(err)
	}
	if err := heads.Close(); err != nil {
		t.Fatal(err)
	}
	srv.Stop()
	return map[string]string{"stopped": live, "killed": killed}
}

func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		out[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestVerifyDirChangesNothing(t *testing.T) {
	for name, dir := range makeDirs(t, 30) {
		before := tree(t, dir)
		reports, err := VerifyDir(t.Context(), dir, VerifyOptions{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if b := reports[0].Journals[0]; b.Blocks != 30 || b.Events != 60 || b.Heads != 30 || b.End.Position != 60 {
			t.Errorf("%s: %+v", name, b)
		}
		if l := reports[1].Journals; len(l) != 2 || l[0].Journal != "log.audit.n1" || l[0].Blocks != 10 || l[1].Blocks != 20 {
			t.Errorf("%s: %+v", name, l)
		}
		after := tree(t, dir)
		if len(before) != len(after) {
			t.Errorf("%s: %d files, %d before", name, len(after), len(before))
		}
		for path, text := range before {
			if after[path] != text {
				t.Errorf("%s: %s was changed", name, path)
			}
		}
	}
	if _, err := VerifyDir(t.Context(), t.TempDir(), VerifyOptions{}); err == nil {
		t.Error("an empty directory was verified")
	}
}

// openAsNode opens a data directory as a node does.
func openAsNode(dir string) error {
	ctx := context.Background()
	srv, err := cluster.Start(ctx, cluster.Options{Dir: dir, Node: "n1", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return Explain(dir, err)
	}
	defer srv.Stop()
	heads, err := OpenHeads(dir)
	if err != nil {
		return err
	}
	defer heads.Close()
	for _, name := range []string{"BOOK", "LOG"} {
		s, err := OpenStream(ctx, srv.Conn(), name)
		if err != nil {
			return err
		}
		if _, err := Open(ctx, s, heads); err != nil {
			return err
		}
	}
	return nil
}

// damaged copies a directory with one file changed.
func damaged(t *testing.T, dir, file string, change func([]byte) []byte) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "damaged")
	if err := copyTree(to, dir); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(to, file)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}

func flip(at int) func([]byte) []byte {
	return func(text []byte) []byte {
		text = bytes.Clone(text)
		text[at] ^= 0x01
		return text
	}
}

// blockFile finds the one file of messages of a stream.
func blockFile(t *testing.T, dir, stream string) (rel string, text []byte) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "jetstream", "$G", "streams", stream, "msgs", "*.blk"))
	if err != nil || len(paths) != 1 {
		t.Fatal(paths, err)
	}
	text, err = os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	rel, err = filepath.Rel(dir, paths[0])
	if err != nil {
		t.Fatal(err)
	}
	return rel, text
}

// Wherever a byte of a message changes, and wherever the file is cut, the check
// names a first wrong position, and a node does not open the store.
func TestDamageIsAlwaysNamed(t *testing.T) {
	for name, dir := range makeDirs(t, 150) {
		for _, stream := range []string{"BOOK", "LOG"} {
			file, text := blockFile(t, dir, stream)
			for what, change := range changes(text) {
				t.Run(fmt.Sprintf("%s/%s/%s", name, stream, what), func(t *testing.T) {
					bad := damaged(t, dir, file, change.do)
					_, err := VerifyDir(t.Context(), bad, VerifyOptions{})
					var verified, opened *Broken
					if !errors.As(err, &verified) || verified.Position == 0 {
						t.Fatalf("VerifyDir: %v", err)
					}
					if err := openAsNode(bad); !errors.As(err, &opened) {
						t.Fatalf("open: %v", err)
					}
					if verified.Position != opened.Position {
						t.Errorf("verified %v, opened %v", verified, opened)
					}
					// In the BOOK message i holds positions 2i+1 and 2i+2.
					if want := uint64(2*change.message + 1); stream == "BOOK" && verified.Position != want {
						t.Errorf("damage at position %d, named %v", want, verified)
					}
				})
			}
		}
	}
}

// messageStarts finds where the messages begin: each begins with its length, whose
// top bit says that there are headers.
func messageStarts(text []byte) []int {
	var out []int
	for at := 0; at < len(text); {
		out = append(out, at)
		at += int(binary.LittleEndian.Uint32(text[at:]) &^ (1 << 31))
	}
	return out
}

// changes are flips all over the first, a middle and the last message, and cuts
// of the file: length, sequence (low, high), time, length of the subject,
// subject, headers, data, checksum.
func changes(text []byte) map[string]change {
	out := map[string]change{}
	starts := messageStarts(text)
	n := len(starts)
	starts = append(starts, len(text))
	for where, i := range map[string]int{"first": 0, "middle": n / 2, "last": n - 1} {
		size := starts[i+1] - starts[i]
		for what, at := range map[string]int{
			"length": 0, "length high": 2, "sequence": 4, "sequence high": 9, "sequence top": 11, "time": 14,
			"subject length": 20, "subject": 23, "headers": 45, "data": size - 60, "checksum": size - 1,
		} {
			out[where+" "+what] = change{i, flip(starts[i] + at)}
		}
	}
	for keep, message := range map[int]int{0: 0, 1: 0, starts[1]: 1, starts[n/2] + 30: n / 2, starts[n-1]: n - 1, len(text) - 1: n - 1} {
		cut := func(text []byte) []byte { return slices.Clone(text[:keep]) }
		out[fmt.Sprintf("cut to %d", keep)] = change{message, cut}
	}
	return out
}

// change is one damage and the first message, from 0, that it touches.
type change struct {
	message int
	do      func([]byte) []byte
}

// The server's own notes may be damaged: then they are made again, or the store
// is refused; the content is never another.
func TestDamagedNotesAreHarmless(t *testing.T) {
	for name, dir := range makeDirs(t, 30) {
		for _, stream := range []string{"BOOK", "LOG"} {
			base := filepath.Join("jetstream", "$G", "streams", stream)
			for _, file := range []string{"meta.inf", "meta.sum", "msgs/index.db"} {
				text, err := os.ReadFile(filepath.Join(dir, base, file))
				if errors.Is(err, fs.ErrNotExist) {
					continue // No index after kill -9.
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, at := range []int{0, len(text) / 3, len(text) / 2, len(text) - 1} {
					bad := damaged(t, dir, filepath.Join(base, file), flip(at))
					reports, verified := VerifyDir(t.Context(), bad, VerifyOptions{})
					opened := openAsNode(bad)
					if (verified == nil) != (opened == nil) {
						t.Errorf("%s %s+%d: verified %v, opened %v", name, file, at, verified, opened)
					}
					if verified == nil && reports[0].Journals[0].Blocks != 30 {
						t.Errorf("%s %s+%d: %+v", name, file, at, reports[0])
					}
				}
			}
		}
	}
}

// TestReplicaBehind has a node's store end before blocks that it knew to be
// acknowledged: alone that is a loss, in a cluster the others have them.
func TestReplicaBehind(t *testing.T) {
	dir := t.TempDir()
	srv, heads := startServer(t, dir), openHeads(t, dir)
	w := openWriter(t, openStream(t, srv, "BOOK"), "book", heads)
	write(t, w, 3)
	ahead := w.Cursor()
	ahead.Number, ahead.Sequence, ahead.Position = ahead.Number+2, ahead.Sequence+2, ahead.Position+2
	if err := errors.Join(heads.Record("BOOK", "book", ahead), heads.Close()); err != nil {
		t.Fatal(err)
	}
	srv.Stop()
	var wrong *Broken
	if _, err := VerifyDir(t.Context(), dir, VerifyOptions{}); !errors.As(err, &wrong) || wrong.Number != 4 {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cluster"), []byte("test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	reports, err := VerifyDir(t.Context(), dir, VerifyOptions{})
	if err != nil || reports[0].Journals[0].Behind != 2 {
		t.Fatal(reports, err)
	}
}
