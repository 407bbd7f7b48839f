package gate

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// listening is a witness that keeps the first lines of what it hears.
type listening struct {
	mu    sync.Mutex
	heard []string
}

func (l *listening) Wants() bool { return true }

func (l *listening) Signal(from, to netip.AddrPort, stream bool, message []byte, at time.Time) {
	line, _, _ := strings.Cut(string(message), "\r\n")
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard = append(l.heard, fmt.Sprintf("%v>%v %v %v %s", from, to, stream, !at.IsZero(), line))
}

// TestWitnessHearsBothWays: over UDP and TCP, with the true addresses, what comes and
// what is answered; nothing of strangers.
func TestWitnessHearsBothWays(t *testing.T) {
	addr := netip.MustParseAddr("127.0.0.1")
	ports := map[string]uint16{"udp": free(t, "127.0.0.1"), "tcp": free(t, "127.0.0.1")}
	g, err := Open(Config{
		Listeners: []ListenerConfig{{Name: "core", Addr: addr, Ports: ports}},
		Known:     func(a netip.Addr) bool { return a == addr }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &listening{}
	g.Trace(w)
	g.On(sip.OPTIONS, func(req *sip.Request, tx ServerTransaction) { g.refuse(req, tx, 404, "Not Found") })
	g.Serve()
	defer func() {
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	var want []string
	for network, port := range ports {
		conn, err := net.Dial(network, netip.AddrPortFrom(addr, port).String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, err = fmt.Fprintf(conn, "OPTIONS sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=z9hG4bK%s\r\nFrom: <sip:a@b>;tag=1\r\n"+
			"To: <sip:x@b>\r\nCall-ID: %s\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
			strings.ToUpper(network), conn.LocalAddr(), network, network)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 4096)
		if n, err := conn.Read(answer); err != nil || !strings.HasPrefix(string(answer[:n]), "SIP/2.0 404 ") {
			t.Fatalf("%q, %v", answer[:n], err)
		}
		here, us := conn.LocalAddr().String(), netip.AddrPortFrom(addr, port)
		want = append(want, fmt.Sprintf("%s>%s %v true OPTIONS sip:x@127.0.0.1 SIP/2.0", here, us, network == "tcp"),
			fmt.Sprintf("%s>%s %v true SIP/2.0 404 Not Found", us, here, network == "tcp"))
	}
	all := ""
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		w.mu.Lock()
		all = strings.Join(w.heard, "\n")
		w.mu.Unlock()
		if strings.Count(all, "\n") >= len(want)-1 {
			break
		}
	}
	for _, line := range want {
		if strings.Count(all, line) != 1 {
			t.Errorf("%s\nis not once in\n%s", line, all)
		}
	}
}

// What comes over a WebSocket is heard as it was parsed.
func TestWitnessHearsWebSockets(t *testing.T) {
	port := free(t, "127.0.0.1")
	g, err := Open(Config{
		Listeners: []ListenerConfig{{Name: "web", Addr: netip.MustParseAddr("127.0.0.1"), Ports: map[string]uint16{"ws": port}}},
		Known:     func(netip.Addr) bool { return true }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &listening{}
	g.Trace(w)
	g.Serve()
	defer func() {
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	ua, err := sipgo.NewUA()
	if err != nil {
		t.Fatal(err)
	}
	defer ua.Close()
	client, err := sipgo.NewClient(ua)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	uri := sip.Uri{Scheme: "sip", Host: "127.0.0.1", Port: int(port), UriParams: sip.HeaderParams{{K: "transport", V: "ws"}}}
	if res, err := client.Do(ctx, sip.NewRequest(sip.OPTIONS, uri)); err != nil || res.StatusCode != 405 {
		t.Fatal(res, err)
	}
	for told := 0; told < 2 && ctx.Err() == nil; time.Sleep(time.Millisecond) { // what is said is told after it was sent
		w.mu.Lock()
		told = len(w.heard)
		w.mu.Unlock()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.heard) != 2 || !strings.Contains(w.heard[0], " OPTIONS sip:") || !strings.Contains(w.heard[1], " SIP/2.0 405") {
		t.Errorf("%v", w.heard)
	}
}
