package rsync

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"
)

// Daemon lets others pull. Each connection gets a process.
type Daemon struct {
	listener net.Listener
	config   DaemonConfig
	cancel   context.CancelFunc
	serving  sync.WaitGroup
}

// DaemonConfig says what a daemon gives to whom.
type DaemonConfig struct {
	// Command is the program, with its arguments, that calls Serve with the directory.
	Command []string
	// TLS is how others are known; nil serves everybody without encryption.
	TLS *tls.Config
	// Connections bounds the processes; more wait. 0 is 8.
	Connections int
	// Limiter bounds what is sent; nil does not.
	Limiter *Limiter
	Log     *slog.Logger
}

// handshake bounds the time for a connection to prove who it is.
const handshake = 10 * time.Second

// Listen opens a daemon's door.
func Listen(address string, c DaemonConfig) (*Daemon, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	if c.Connections == 0 {
		c.Connections = 8
	}
	ctx, cancel := context.WithCancel(context.Background())
	d := &Daemon{listener: listener, config: c, cancel: cancel}
	d.serving.Add(1)
	go d.accept(ctx)
	return d, nil
}

// Addr is where the daemon listens.
func (d *Daemon) Addr() net.Addr { return d.listener.Addr() }

// Close ends the daemon and its connections; once more does nothing.
func (d *Daemon) Close() error {
	d.cancel()
	err := d.listener.Close()
	d.serving.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (d *Daemon) accept(ctx context.Context) {
	defer d.serving.Done()
	places := make(chan struct{}, d.config.Connections)
	for {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return
		}
		conn, err := d.listener.Accept()
		if err != nil {
			<-places
			if ctx.Err() != nil {
				return
			}
			d.config.Log.Error("the files' daemon does not accept", "err", err)
			time.Sleep(time.Second) // out of descriptors, which others give back
			continue
		}
		d.serving.Add(1)
		go func() {
			defer d.serving.Done()
			defer func() { <-places }()
			if err := d.serve(ctx, conn); err != nil && ctx.Err() == nil {
				d.config.Log.Warn("a connection to the files' daemon failed", "address", conn.RemoteAddr().String(), "err", err)
			}
		}()
	}
}

// serve runs the process of a connection and carries bytes between the two.
func (d *Daemon) serve(ctx context.Context, conn net.Conn) error {
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if d.config.TLS != nil {
		secure := tls.Server(conn, d.config.TLS)
		within, cancel := context.WithTimeout(ctx, handshake)
		defer cancel()
		if err := secure.HandshakeContext(within); err != nil {
			return err
		}
		conn = secure
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, d.config.Command[0], d.config.Command[1:]...)
	words := &last{}
	cmd.Stderr = words
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	c := &leaving{Conn: &timed{conn}}
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		_, _ = io.Copy(in, c) // ends with either side
		_ = in.Close()
	}()
	if _, err := io.Copy(c, d.config.Limiter.Reader(ctx, out)); err != nil {
		cancel() // the other side has gone
	}
	err = cmd.Wait()
	_ = conn.Close()
	<-asked
	if err != nil && !c.left.Load() {
		return errors.Join(err, words.err())
	}
	return nil
}

// leaving notes that the other side has gone: who only looks what is there may leave in
// the middle of the protocol.
type leaving struct {
	net.Conn
	left atomic.Bool
}

func (l *leaving) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if err != nil {
		l.left.Store(true)
	}
	return n, err
}

func (l *leaving) Write(p []byte) (int, error) {
	n, err := l.Conn.Write(p)
	if err != nil {
		l.left.Store(true)
	}
	return n, err
}

// last keeps the end of what a process says.
type last struct {
	mu   sync.Mutex
	text []byte
}

func (l *last) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	if extra := len(l.text) - 1000; extra > 0 {
		l.text = l.text[extra:]
	}
	return len(p), nil
}

func (l *last) err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if text := bytes.TrimSpace(l.text); len(text) > 0 {
		return errors.New(string(text))
	}
	return nil
}
