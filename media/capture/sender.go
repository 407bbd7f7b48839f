package capture

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// sendQueue is how many packets wait for the server at most.
	sendQueue = 8192
	// redial bounds how long a server that is not there is left alone.
	redialFrom, redialTo = time.Second, 30 * time.Second
	dialWithin           = 3 * time.Second
	writeWithin          = 2 * time.Second
)

// SenderConfig says where HEP packets go.
type SenderConfig struct {
	// Network is udp or tcp, Address the server's.
	Network, Address string
	// Agent is this node's capture id, Key the password; empty is none.
	Agent uint32
	Key   string
	Log   *slog.Logger
}

// Sender sends packets to a HOMER server. It never makes anybody wait: what the server
// does not take is dropped and counted.
type Sender struct {
	config  SenderConfig
	queue   chan []byte
	ended   chan struct{}
	stop    context.CancelFunc
	once    sync.Once
	sent    atomic.Uint64
	dropped atomic.Uint64
}

// NewSender starts a sender; Close ends it.
func NewSender(c SenderConfig) *Sender {
	ctx, stop := context.WithCancel(context.Background())
	s := &Sender{config: c, queue: make(chan []byte, sendQueue), ended: make(chan struct{}), stop: stop}
	go func() {
		defer close(s.ended)
		s.run(ctx)
	}()
	return s
}

// Sent and Dropped count the packets.
func (s *Sender) Sent() uint64 { return s.sent.Load() }

// Dropped counts those that the server did not get.
func (s *Sender) Dropped() uint64 { return s.dropped.Load() }

// Send queues a packet; the agent and the key are the sender's.
func (s *Sender) Send(p HEP) {
	p.Agent, p.Key = s.config.Agent, s.config.Key
	data, ok := AppendHEP(make([]byte, 0, len(p.Payload)+160), p)
	if ok {
		select {
		case s.queue <- data:
			return
		default:
		}
	}
	s.dropped.Add(1)
}

// Close ends the sender; what waits is dropped.
func (s *Sender) Close() {
	s.once.Do(s.stop)
	<-s.ended
}

func (s *Sender) run(ctx context.Context) {
	wait := redialFrom
	for ctx.Err() == nil {
		d := net.Dialer{Timeout: dialWithin}
		conn, err := d.DialContext(ctx, s.config.Network, s.config.Address)
		if err == nil {
			wait = redialFrom
			err = s.feed(ctx, conn)
		}
		if ctx.Err() != nil {
			return
		}
		s.config.Log.Warn("the HEP server takes nothing", "address", s.config.Address, "err", err, "dropped", s.dropped.Load())
		s.discard(ctx, wait)
		wait = min(2*wait, redialTo)
	}
}

// feed writes until that fails. A datagram that the server's machine refuses is told
// by the next one; then a new socket is tried, too.
func (s *Sender) feed(ctx context.Context, conn net.Conn) error {
	defer conn.Close()
	for {
		select {
		case <-ctx.Done():
			return nil
		case data := <-s.queue:
			err := conn.SetWriteDeadline(time.Now().Add(writeWithin))
			if err == nil {
				_, err = conn.Write(data)
			}
			if err != nil {
				s.dropped.Add(1)
				return fmt.Errorf("send HEP: %w", err)
			}
			s.sent.Add(1)
		}
	}
}

// discard drops what comes for a while, so that what is sent then is of the moment.
func (s *Sender) discard(ctx context.Context, during time.Duration) {
	over := time.After(during)
	for {
		select {
		case <-ctx.Done():
			return
		case <-over:
			return
		case <-s.queue:
			s.dropped.Add(1)
		}
	}
}
