package mediabench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/tollbook/tollbook/media/relay"
	"github.com/tollbook/tollbook/media/sdp"
)

const controlPort = 22222

// startRTPEngine runs rtpengine in user space with one worker and has it relay so
// many calls.
func (l *lab) startRTPEngine(ctx context.Context, calls int) (*running, [][2]netip.AddrPort, error) {
	program, err := exec.LookPath("rtpengine")
	if err != nil {
		return nil, nil, errors.New("rtpengine is not installed (package rtpengine-daemon)")
	}
	r, err := l.start(ctx, l.near, l.relayCPU, "", program, "--config-file=none", "--foreground", "--log-stderr", "--log-level=3",
		"--interface="+nearAddr.String(), fmt.Sprintf("--listen-ng=127.0.0.1:%d", controlPort), "--table=-1", "--num-threads=1",
		fmt.Sprintf("--port-min=%d", portMin), fmt.Sprintf("--port-max=%d", portMax))
	if err != nil {
		return nil, nil, err
	}
	ports, err := l.setUp(r, calls)
	if err != nil {
		r.stop()
		return nil, nil, fmt.Errorf("%w: %s", err, r.said())
	}
	return r, ports, nil
}

// setUp makes the calls by the protocol that it is controlled with (ng).
func (l *lab) setUp(r *running, calls int) (ports [][2]netip.AddrPort, err error) {
	var control net.Conn
	err = within(l.near, l.farCPU, func() error {
		control, err = net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", controlPort))
		return err
	})
	if err != nil {
		return nil, err
	}
	defer control.Close()
	if err := ready(r, control); err != nil {
		return nil, err
	}
	for i := range calls {
		var pair [2]netip.AddrPort
		for side, command := range []string{"offer", "answer"} {
			text := fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %[1]s\r\ns=-\r\nc=IN IP4 %[1]s\r\nt=0 0\r\nm=audio %[2]d RTP/AVP 8\r\n",
				farAddrs[side], farEnd(i, relay.Side(side)).Port())
			answer, err := ng(control, "command", command, "call-id", "call-"+strconv.Itoa(i), "from-tag", "a", "to-tag", "b", "sdp", text)
			if err != nil {
				return nil, fmt.Errorf("call %d: %w", i, err)
			}
			s, err := sdp.Parse([]byte(answer["sdp"]))
			if err != nil {
				return nil, fmt.Errorf("call %d: %q: %w", i, answer["sdp"], err)
			}
			m, _, _ := s.Stream(false)
			pair[1-side] = m.Address // what the other side is told to send to
		}
		ports = append(ports, pair)
	}
	return ports, nil
}

// ready waits until it answers.
func ready(r *running, control net.Conn) error {
	for deadline := time.Now().Add(10 * time.Second); ; {
		_, err := ng(control, "command", "ping")
		if err == nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-r.over:
			return errors.New("it has ended")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// ng asks rtpengine one thing: a cookie and a dictionary of strings in bencode, both
// ways.
func ng(control net.Conn, pairs ...string) (map[string]string, error) {
	// The cookie tells requests from repetitions.
	cookie := strconv.FormatUint(rand.Uint64(), 36) + " "
	var ask strings.Builder
	ask.WriteString(cookie + "d")
	for _, s := range pairs {
		ask.WriteString(strconv.Itoa(len(s)) + ":" + s)
	}
	ask.WriteString("e")
	if err := control.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := control.Write([]byte(ask.String())); err != nil {
		return nil, err
	}
	buffer := make([]byte, 64<<10)
	n, err := control.Read(buffer)
	if err != nil {
		return nil, err
	}
	answer, err := dictionary(bytes.TrimPrefix(buffer[:n], []byte(cookie)))
	if err == nil && answer["result"] != "ok" && answer["result"] != "pong" {
		err = fmt.Errorf("rtpengine: %s %s", answer["result"], answer["error-reason"])
	}
	return answer, err
}

// dictionary reads a bencoded dictionary as far as it is strings.
func dictionary(text []byte) (map[string]string, error) {
	out := map[string]string{}
	if len(text) == 0 || text[0] != 'd' {
		return nil, fmt.Errorf("no dictionary: %q", text)
	}
	rest := text[1:]
	take := func() (string, bool) {
		size, after, ok := bytes.Cut(rest, []byte(":"))
		n, err := strconv.Atoi(string(size))
		if !ok || err != nil || n < 0 || n > len(after) {
			return "", false
		}
		rest = after[n:]
		return string(after[:n]), true
	}
	for len(rest) > 0 && rest[0] != 'e' {
		key, ok1 := take()
		value, ok2 := take()
		if !ok1 || !ok2 {
			break // a number, a list: nothing that is asked for comes behind one
		}
		out[key] = value
	}
	return out, nil
}
