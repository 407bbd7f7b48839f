package mediabench

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// farOrder is what the ends are told: to send by one link all the streams, and to
// receive by another.
type farOrder struct {
	Send, Receive string // links
	Source, To    string // hardware addresses
	Streams       []stream
	Seconds       int
}

// farReport is what they found in the time that was measured.
type farReport struct {
	Sent, Received uint64
	P50US, P99US   float64
}

const (
	packetTime = 20 * time.Millisecond
	warmUp     = time.Second
	// sendEvery is how often what is due is sent.
	sendEvery = 100 * time.Microsecond
	// tooLate is how far the sender may fall behind before it leaves packets out: a
	// burst of them would measure the burst.
	tooLate = 5 * time.Millisecond
	drain   = 300 * time.Millisecond
)

// playFar is the ends' process. It writes a line when the measured time begins, one
// when it ends, and then the report.
func playFar(in io.Reader, out io.Writer) error {
	var order farOrder
	if err := json.NewDecoder(in).Decode(&order); err != nil {
		return fmt.Errorf("read the order: %w", err)
	}
	sender, err := newSender(order)
	if err != nil {
		return err
	}
	sink, err := newSink(order.Receive)
	if err != nil {
		return err
	}
	received := make(chan error, 1)
	go func() { received <- sink.run() }()
	if err := sender.run(out, time.Duration(order.Seconds)*time.Second); err != nil {
		return err
	}
	time.Sleep(drain)
	close(sink.stop)
	if err := <-received; err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(sink.report(sender.begin, sender.end, sender.sent))
}

// sender sends the frames of all streams, each every 20 ms, evenly spread.
type sender struct {
	fd         int
	frames     [][]byte
	sent       uint64 // in the time that is measured
	begin, end int64  // of it: times as in the frames
}

func newSender(order farOrder) (*sender, error) {
	link, err := net.InterfaceByName(order.Send)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: link.Index}); err != nil {
		return nil, fmt.Errorf("send by %s: %w", order.Send, err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
		return nil, fmt.Errorf("send by %s: %w", order.Send, err)
	}
	s := &sender{fd: fd}
	for i, st := range order.Streams {
		s.frames = append(s.frames, st.frame(i, hardware(order.Source), hardware(order.To)))
	}
	return s, nil
}

// run sends for the warm-up and the time that is measured.
func (s *sender) run(out io.Writer, measured time.Duration) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// Sleeps are to be as short as they are asked for.
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("timer slack: %w", err)
	}
	start := time.Now()
	gap := packetTime / time.Duration(len(s.frames))
	for k := 0; ; {
		elapsed := time.Since(start)
		switch {
		case s.begin == 0 && elapsed > warmUp:
			s.begin = time.Now().UnixNano()
			fmt.Fprintln(out, "begin")
		case s.end == 0 && elapsed > warmUp+measured:
			s.end = time.Now().UnixNano()
			fmt.Fprintln(out, "end")
			return nil
		}
		due := int(elapsed / gap)
		if late := due - k; time.Duration(late)*gap > tooLate {
			k = due
		}
		for ; k < due; k++ {
			f := s.frames[k%len(s.frames)]
			step(f, time.Now().UnixNano())
			if _, err := unix.Write(s.fd, f); err != nil && err != unix.ENOBUFS {
				return fmt.Errorf("send: %w", err)
			}
			if s.begin != 0 {
				s.sent++
			}
		}
		pause := unix.NsecToTimespec(int64(sendEvery))
		_ = unix.Nanosleep(&pause, nil) // a signal only makes it shorter
	}
}
