// Package rsync copies files between nodes by the protocol of rsync(1), version 27,
// which every rsync since 2.6.0 (2004) speaks. A Session pulls: it is our own, so that
// a transfer that broke off goes on where it was, within a bandwidth, over TLS, and
// ends with its context. A Daemon is pulled from: each connection is served by
// github.com/gokrazy/rsync in a process of its own, because what a stranger can make
// that do (end the program, fill the memory) must not happen to one that carries calls.
package rsync

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

const (
	// protocol is the version spoken, Module the one module that daemons have.
	protocol = 27
	Module   = "files"
	// idle is how long a connection may be silent.
	idle = 30 * time.Second
	// Bounds of what the other side may send.
	maxEntries = 1 << 20
	maxName    = 4096
	maxLine    = 1024
	maxGreets  = 100
	maxBlock   = 1 << 29
	maxToken   = 1 << 24
)

// errProtocol is the other side's mistake.
var errProtocol = errors.New("rsync: the other side does not keep to the protocol")

// Entry is a file that the other side has.
type Entry struct {
	// Name is the path below what was asked for.
	Name    string
	Size    int64
	ModTime time.Time
	// Regular is false for directories, links and devices.
	Regular bool
}

// Session is one connection to a daemon, in which its files are listed and then
// fetched. It is used by one goroutine.
type Session struct {
	conn  net.Conn
	in    *demux
	out   *bufio.Writer
	seed  int32
	files []Entry
	stop  func() bool
}

// Open asks a daemon for what lies in a directory of its module, itself and all
// below, over a connection that the session closes. A directory that is not there is
// empty. The session ends with ctx.
func Open(ctx context.Context, conn net.Conn, dir string) (*Session, error) {
	c := &timed{conn}
	s := &Session{conn: conn, out: bufio.NewWriter(c), stop: context.AfterFunc(ctx, func() { _ = conn.Close() })}
	in := bufio.NewReaderSize(c, 64<<10)
	if err := s.greet(in, dir); err != nil {
		s.Close()
		return nil, fmt.Errorf("rsync: ask for %s: %w", dir, err)
	}
	s.in = &demux{from: in}
	if err := s.list(); err != nil {
		s.Close()
		return nil, fmt.Errorf("rsync: list %s: %w", dir, s.in.told(err))
	}
	return s, nil
}

// timed ends a connection that is silent for too long.
type timed struct{ net.Conn }

func (t *timed) Read(p []byte) (int, error) {
	if err := t.SetReadDeadline(time.Now().Add(idle)); err != nil {
		return 0, err
	}
	return t.Conn.Read(p)
}

func (t *timed) Write(p []byte) (int, error) {
	if err := t.SetWriteDeadline(time.Now().Add(idle)); err != nil {
		return 0, err
	}
	return t.Conn.Write(p)
}

// greet agrees on the version, names the module, and says what is wanted. The
// owners are asked for because older daemons cannot leave them out.
func (s *Session) greet(in *bufio.Reader, dir string) error {
	fmt.Fprintf(s.out, "@RSYNCD: %d\n%s\n", protocol, Module)
	if err := s.out.Flush(); err != nil {
		return err
	}
	for greeted, n := false, 0; ; n++ {
		line, err := readLine(in)
		switch {
		case err != nil:
			return err
		case n > maxGreets:
			return errProtocol
		case !greeted && strings.HasPrefix(line, "@RSYNCD: "):
			greeted = true
		case strings.HasPrefix(line, "@RSYNCD: AUTHREQD"):
			return errors.New("the daemon wants a password: nodes know each other by their key")
		case strings.HasPrefix(line, "@ERROR"), line == "@RSYNCD: EXIT":
			return fmt.Errorf("the daemon says %q", line)
		case line == "@RSYNCD: OK":
			fmt.Fprintf(s.out, "--server\n--sender\n-ogtr\n.\n%s/%s/\n\n", Module, strings.Trim(dir, "/"))
			if err := s.out.Flush(); err != nil {
				return err
			}
			var seed [4]byte
			_, err := io.ReadFull(in, seed[:])
			s.seed = int32(binary.LittleEndian.Uint32(seed[:]))
			return err
		}
	}
}

func readLine(in *bufio.Reader) (string, error) {
	var line []byte
	for len(line) <= maxLine {
		b, err := in.ReadByte()
		if err != nil {
			return "", err
		}
		if b == '\n' {
			return strings.TrimRight(string(line), "\r"), nil
		}
		line = append(line, b)
	}
	return "", errProtocol
}

// Files are what the other side has, by name. The position in the list is what Fetch
// takes.
func (s *Session) Files() []Entry { return s.files }

// Close ends the connection.
func (s *Session) Close() {
	s.stop()
	_ = s.conn.Close() // nothing is waiting to be written
}

func (s *Session) writeInts(list ...int32) error {
	var b [4]byte
	for _, v := range list {
		binary.LittleEndian.PutUint32(b[:], uint32(v))
		if _, err := s.out.Write(b[:]); err != nil {
			return err
		}
	}
	return nil
}
