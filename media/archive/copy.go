package archive

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/media/rsync"
)

// Peer is another node that files are copied from.
type Peer struct {
	// Node is its name, Address where its daemon listens.
	Node, Address string
}

// wrongFiles are files that came and could not be taken.
type wrongFiles struct {
	names []Name
	errs  []error
}

func (w *wrongFiles) Error() string   { return errors.Join(w.errs...).Error() }
func (w *wrongFiles) Unwrap() []error { return w.errs }

// errMismatch says that a copy is not what its node made. What arrived is thrown away.
var errMismatch = errors.New("the copy is not what its node made")

// copying is one session with a peer: the hashes of the days it needs, and then the
// files.
type copying struct {
	store   *Store
	session *rsync.Session
	wanted  []int
	names   map[int]Name   // of files
	days    map[int]string // of hashes: the directory of a day
	sums    map[string]*inMemory
	arrived int
	wrong   wrongFiles

	mu   sync.Mutex // of open: files are asked for beside the one that comes
	open map[int]*os.File
}

// maxBatch bounds the files that one session fetches.
const maxBatch = 64

// copyFrom lists what a peer has in a directory and fetches what is chosen from it,
// the newest first. More says that something is left for another session.
func (s *Store) copyFrom(ctx context.Context, c SyncConfig, p Peer, dir string, choose func(Name, int64) bool) (arrived int, more bool, err error) {
	conn, err := rsync.Dial(ctx, p.Address, c.Identity)
	if err != nil {
		return 0, false, err
	}
	session, err := rsync.Open(ctx, c.Limiter.Conn(ctx, conn), dir)
	if err != nil {
		return 0, false, err
	}
	defer session.Close()
	x := &copying{
		store: s, session: session, names: map[int]Name{}, days: map[int]string{}, sums: map[string]*inMemory{}, open: map[int]*os.File{},
	}
	defer x.end()
	more = x.choose(dir, choose)
	if err := os.MkdirAll(filepath.Join(s.parts(), peerOf(dir)), 0o750); err != nil {
		return 0, false, err
	}
	err = session.Fetch(x.wanted, x.target, func(i int, err error) error { return x.done(ctx, i, err) })
	if err == nil && len(x.wrong.names) > 0 {
		err = &x.wrong
	}
	return x.arrived, more, err
}

// end lets go of what was taken for the session.
func (x *copying) end() {
	for _, f := range x.open { // of files that did not come
		_ = f.Close() // what is in it is as good as it was
	}
	for _, n := range x.names {
		x.store.release(n)
	}
}

// peerOf is the node that made what lies in a directory of the tree.
func peerOf(dir string) string {
	node, _, _ := strings.Cut(dir, "/")
	return node
}

// choose picks files from the list, the newest first, and the hashes of their days before them.
func (x *copying) choose(dir string, choose func(Name, int64) bool) (more bool) {
	type candidate struct {
		name Name
		at   int
		size int64
	}
	var found []candidate
	var files []int
	hashes := map[string]int{}
	for i, e := range x.session.Files() {
		full := dir + "/" + e.Name
		if !e.Regular {
			continue
		}
		if day, ok := strings.CutSuffix(full, "/"+Sums); ok {
			hashes[day] = i
			continue
		}
		if n, err := ParseName(full); err == nil {
			found = append(found, candidate{n, i, e.Size})
		}
	}
	slices.SortFunc(found, func(a, b candidate) int { return strings.Compare(b.name.Base(), a.name.Base()) })
	for _, f := range found {
		if len(files) == maxBatch {
			more = true
			break
		}
		if choose(f.name, f.size) && x.store.lock(f.name) {
			files = append(files, f.at)
			x.names[f.at] = f.name
		}
	}
	for _, i := range files {
		day := x.names[i].Dir()
		if at, ok := hashes[day]; ok && x.sums[day] == nil {
			x.sums[day] = &inMemory{}
			x.days[at] = day
			x.wanted = append(x.wanted, at)
		}
	}
	x.wanted = append(x.wanted, files...)
	return more
}

// target opens what a file is fetched into, with what came of it before.
func (x *copying) target(i int) (rsync.Target, int64, error) {
	if day, ok := x.days[i]; ok {
		return x.sums[day], 0, nil
	}
	f, err := os.OpenFile(x.store.arriving(x.names[i]), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		x.store.refused(err)
		return nil, 0, err
	}
	x.mu.Lock()
	x.open[i] = f
	x.mu.Unlock()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	return f, info.Size(), nil
}

func (s *Store) arriving(n Name) string { return filepath.Join(s.parts(), n.Node, n.Base()+".part") }

// done takes a file that came. One that is wrong does not stop the others.
func (x *copying) done(ctx context.Context, i int, err error) error {
	if _, ok := x.days[i]; ok {
		return err
	}
	name := x.names[i]
	x.mu.Lock()
	f := x.open[i]
	delete(x.open, i)
	x.mu.Unlock()
	if err == nil {
		err = x.store.take(ctx, name, f, x.sums[name.Dir()])
	} else {
		err = errors.Join(err, f.Truncate(0), f.Close()) // begun anew the next time
	}
	if err != nil {
		x.wrong.names = append(x.wrong.names, name)
		x.wrong.errs = append(x.wrong.errs, fmt.Errorf("%s: %w", name, err))
		return nil
	}
	x.arrived++
	return nil
}

// take puts a file that arrived on the shelf if it has the hash that its event has, or
// where the event is not known here, the one that its node has written down.
func (s *Store) take(ctx context.Context, n Name, f *os.File, sums *inMemory) (err error) {
	hash := sha256.New()
	size, err := io.Copy(hash, io.NewSectionReader(f, 0, 1<<62))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		s.refused(err)
		return err
	}
	want, known, err := s.expected(ctx, n)
	if err != nil {
		return err
	}
	if !known && sums != nil {
		want, known = ParseSums(sums.data)[n.Base()]
	}
	if !known {
		return errors.New("its hash is not known yet")
	}
	made := Made{Name: n, Size: size, SHA256: [32]byte(hash.Sum(nil))}
	if made.SHA256 != want {
		s.mismatch(ctx, n, want, made.SHA256)
		return errors.Join(errMismatch, os.Remove(s.arriving(n)))
	}
	return s.place(made, s.arriving(n))
}

// expected is the hash in a file's event, if this node knows that, or else the one
// that was written down here when the file was there before.
func (s *Store) expected(ctx context.Context, n Name) (sum [32]byte, known bool, err error) {
	if s.config.Expected != nil {
		if sum, known, err = s.config.Expected(ctx, n); known || err != nil {
			return sum, known, err
		}
	}
	data, err := os.ReadFile(filepath.Join(s.Tree(), filepath.FromSlash(n.Dir()), Sums))
	if errors.Is(err, os.ErrNotExist) {
		return sum, false, nil
	}
	sum, known = ParseSums(data)[n.Base()]
	return sum, known, err
}

// mismatch says that a file is not what its node made.
func (s *Store) mismatch(ctx context.Context, n Name, want, got [32]byte) {
	s.config.Log.Error("a file is not what its node made", "file", n.String(), "want", fmt.Sprintf("%x", want), "got", fmt.Sprintf("%x", got))
	err := s.config.Record(ctx, &wire.Event{Body: &wire.Event_FileMismatched{FileMismatched: &wire.FileMismatched{
		Node: n.Node, Holder: s.config.Node, Name: n.Below(), Want: want[:], Got: got[:],
	}}})
	if err != nil {
		s.config.Log.Error("that could not be recorded", "file", n.String(), "err", err)
	}
}

// maxSums bounds a day's hashes.
const maxSums = 64 << 20

// inMemory is a target for a day's hashes.
type inMemory struct{ data []byte }

func (m *inMemory) ReadAt(p []byte, at int64) (int, error) {
	if at >= int64(len(m.data)) {
		return 0, io.EOF
	}
	n := copy(p, m.data[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (m *inMemory) WriteAt(p []byte, at int64) (int, error) {
	end := at + int64(len(p))
	if end > maxSums {
		return 0, fmt.Errorf("a day's hashes have more than %d bytes", maxSums)
	}
	if extra := end - int64(len(m.data)); extra > 0 {
		m.data = append(m.data, make([]byte, extra)...)
	}
	return copy(m.data[at:], p), nil
}

func (m *inMemory) Truncate(size int64) error {
	if size > int64(len(m.data)) {
		return errors.New("hashes do not grow by themselves")
	}
	m.data = m.data[:size]
	return nil
}

// ParseSums reads hashes as sha256sum(1) writes them: the last line of a name counts.
func ParseSums(data []byte) map[string][32]byte {
	sums := map[string][32]byte{}
	for line := range strings.Lines(string(data)) {
		var sum []byte
		var name string
		if n, err := fmt.Sscanf(line, "%64x  %s", &sum, &name); n == 2 && err == nil && len(sum) == sha256.Size {
			sums[name] = [32]byte(sum)
		}
	}
	return sums
}
