package rsync

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/mmcloughlin/md4"
)

// Target is where a file is fetched to. What is in it already, a part of the file or
// a damaged copy, need not be sent again; it is changed in place.
type Target interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
}

// ErrDamaged says that what came is not what was sent: the target must be emptied
// and the file fetched anew.
var ErrDamaged = errors.New("rsync: the file came out damaged")

// Fetch fetches files by their places in the list, and then ends the session. For
// each open gives the target and how many bytes are in it, and done takes what came
// of it. A file that is gone meanwhile is left out. An error that is returned broke
// the connection: what has arrived stays in the targets.
func (s *Session) Fetch(wanted []int, open func(int) (Target, int64, error), done func(int, error) error) error {
	if len(s.files) == 0 {
		return nil // some daemons have hung up by now
	}
	targets := make(chan target, len(wanted))
	asked := make(chan error, 1)
	go func() {
		err := s.ask(wanted, open, targets)
		if err != nil {
			_ = s.conn.Close() // the receiver shall not wait for what nobody asked for
		}
		asked <- err
	}()
	err := s.receive(targets, done)
	if err != nil {
		_ = s.conn.Close()
	}
	if askErr := <-asked; askErr != nil {
		err = askErr
	}
	if err == nil {
		err = s.goodbye()
	}
	return s.in.told(err)
}

// target is a file that was asked for.
type target struct {
	index int
	to    Target
	sums  sumHead
	held  int64
}

// sumHead describes the blocks of what the receiver has.
type sumHead struct{ count, block, digest, rest int32 }

// ask asks for files, and says of each which blocks are there already.
func (s *Session) ask(wanted []int, open func(int) (Target, int64, error), targets chan<- target) error {
	defer close(targets)
	for _, i := range wanted {
		to, held, err := open(i)
		if err != nil {
			return err
		}
		t := target{index: i, to: to, sums: headOf(held), held: held}
		targets <- t
		if err := s.writeInts(int32(i), t.sums.count, t.sums.block, t.sums.digest, t.sums.rest); err != nil {
			return err
		}
		if err := s.writeSums(t); err != nil {
			return err
		}
		if err := s.out.Flush(); err != nil {
			return err
		}
	}
	if err := s.writeInts(-1, -1); err != nil { // nothing more, and nothing again
		return err
	}
	return s.out.Flush()
}

// blockSize is the length of the blocks that are compared. gokrazy/rsync 0.2.2 reads
// its file through a window of three blocks, and ends itself when it needs a larger one
// near the end of a file (internal/sender/fileio.go rounds it up beyond the end): with
// blocks of this size it never does.
const blockSize = 1 << 20

// headOf cuts what is held into blocks. What is less than a block is sent again.
func headOf(held int64) sumHead {
	if held < blockSize {
		return sumHead{}
	}
	return sumHead{block: blockSize, digest: md4.Size, count: int32((held + blockSize - 1) / blockSize), rest: int32(held % blockSize)}
}

func (h sumHead) length(i int32) int32 {
	if i == h.count-1 && h.rest != 0 {
		return h.rest
	}
	return h.block
}

func (s *Session) writeSums(t target) error {
	block := make([]byte, t.sums.block)
	for i := range t.sums.count {
		b := block[:t.sums.length(i)]
		if _, err := t.to.ReadAt(b, int64(i)*int64(t.sums.block)); err != nil {
			return fmt.Errorf("read what is there: %w", err)
		}
		if err := s.writeInts(int32(weakSum(b))); err != nil {
			return err
		}
		if _, err := s.out.Write(strongSum(s.seed, b)); err != nil {
			return err
		}
	}
	return nil
}

// weakSum is rsync's first checksum: bytes count as signed.
func weakSum(b []byte) uint32 {
	var s1, s2 uint32
	for _, c := range b {
		s1 += uint32(int32(int8(c)))
		s2 += s1
	}
	return s1&0xffff + s2<<16
}

func strongSum(seed int32, b []byte) []byte {
	h := md4.New()
	h.Write(b)
	h.Write(binary.LittleEndian.AppendUint32(nil, uint32(seed)))
	return h.Sum(nil)
}

// receive takes files as they come, in the order in which they were asked for; what
// is left out is gone.
func (s *Session) receive(targets <-chan target, done func(int, error) error) error {
	for phase := 0; phase < 2; {
		index, err := s.in.int()
		if err != nil {
			return err
		}
		if index == -1 {
			phase++
			continue
		}
		t, ok := <-targets
		for ok && t.index != int(index) {
			t, ok = <-targets
		}
		if !ok {
			return errProtocol
		}
		err = s.file(t)
		if err != nil && !errors.Is(err, ErrDamaged) {
			return err
		}
		if err := done(t.index, err); err != nil {
			return err
		}
	}
	return nil
}

// file takes one file: pieces of data, and numbers of blocks that are there.
func (s *Session) file(t target) error {
	var head [4]int32
	for i := range head {
		var err error
		if head[i], err = s.in.int(); err != nil {
			return err
		}
	}
	if t.sums.count > 0 && head != [4]int32{t.sums.count, t.sums.block, t.sums.digest, t.sums.rest} {
		return errProtocol
	}
	w := &writing{target: t, sum: md4.New(), limit: s.files[t.index].Size}
	w.sum.Write(binary.LittleEndian.AppendUint32(nil, uint32(s.seed)))
	for {
		token, err := s.in.int()
		if err != nil {
			return err
		}
		switch {
		case token == 0:
			return s.fileEnd(w)
		case token > maxToken:
			return errProtocol
		case token > 0:
			err = w.data(s.in, int(token))
		default:
			err = w.block(-(token + 1))
		}
		if err != nil {
			return err
		}
	}
}

func (s *Session) fileEnd(w *writing) error {
	var sum [md4.Size]byte
	if _, err := io.ReadFull(s.in, sum[:]); err != nil {
		return noEnd(err)
	}
	if err := w.to.Truncate(w.at); err != nil {
		return err
	}
	if !bytes.Equal(w.sum.Sum(nil), sum[:]) {
		return ErrDamaged
	}
	return nil
}

// writing is a file on its way into its target.
type writing struct {
	target
	sum    hash.Hash
	at     int64
	limit  int64
	buffer []byte
}

// data writes n bytes that were sent.
func (w *writing) data(from io.Reader, n int) error {
	w.buffer = grow(w.buffer, min(n, 64<<10))
	for n > 0 {
		b := w.buffer[:min(n, len(w.buffer))]
		if _, err := io.ReadFull(from, b); err != nil {
			return noEnd(err)
		}
		if err := w.write(b, true); err != nil {
			return err
		}
		n -= len(b)
	}
	return nil
}

// block writes a block that is there. One that was overwritten meanwhile makes a
// wrong file, which its sum tells.
func (w *writing) block(i int32) error {
	if i < 0 || i >= w.sums.count {
		return errProtocol
	}
	w.buffer = grow(w.buffer, int(w.sums.length(i)))
	b := w.buffer[:w.sums.length(i)]
	from := int64(i) * int64(w.sums.block)
	if _, err := w.to.ReadAt(b, from); err != nil {
		return fmt.Errorf("read what is there: %w", err)
	}
	return w.write(b, from != w.at)
}

// write adds to the file. A file may grow after it was listed, but finished ones do not.
func (w *writing) write(b []byte, write bool) error {
	if w.at+int64(len(b)) > w.limit+growth {
		return errProtocol
	}
	if write {
		if _, err := w.to.WriteAt(b, w.at); err != nil {
			return err
		}
	}
	w.sum.Write(b)
	w.at += int64(len(b))
	return nil
}

// growth is how much longer than listed a file may be: the day's hashes grow.
const growth = 16 << 20

func grow(b []byte, n int) []byte {
	if len(b) < n {
		return make([]byte, n)
	}
	return b
}

// goodbye reads the daemon's statistics and lets it go.
func (s *Session) goodbye() error {
	for range 3 {
		if _, err := s.in.long(); err != nil {
			return err
		}
	}
	if err := s.writeInts(-1); err != nil {
		return err
	}
	return s.out.Flush()
}
