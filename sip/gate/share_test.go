package gate

import (
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// pairShare joins two gates: messages are for one of them, whoever has the sockets.
type pairShare struct {
	mu    sync.Mutex
	gates map[string]*Gate
	place string
}

func (s *pairShare) Place(*Listener, sip.Message) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.place
}

func (s *pairShare) Pass(node string, p Parcel) error {
	p.Message = append([]byte(nil), p.Message...)
	return s.gates[node].Accept(p)
}

func (s *pairShare) Emit(node string, p Parcel) error {
	if node != "" {
		return s.gates[node].Send(p)
	}
	for _, g := range s.gates {
		if g.Listener("shared").Here() {
			return g.Send(p)
		}
	}
	return net.ErrClosed
}

// sharing opens two gates with one shared listener and no sockets for it.
func sharing(t *testing.T) (*pairShare, netip.AddrPort) {
	t.Helper()
	port := free(t, "127.0.0.3")
	s := &pairShare{gates: map[string]*Gate{}, place: "b"}
	for i, node := range []string{"a", "b"} {
		own := netip.AddrFrom4([4]byte{127, 0, 0, byte(1 + i)})
		g, err := Open(Config{
			Node: node, Share: s, UserAgent: "test", Known: all, Log: slog.New(slog.DiscardHandler),
			Listeners: []ListenerConfig{
				{Name: "own", Addr: own, Ports: map[string]uint16{"udp": free(t, own.String())}},
				{Name: "shared", Addr: netip.MustParseAddr("127.0.0.3"), Ports: map[string]uint16{"udp": port, "tcp": port}, Shared: true},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		g.On(sip.OPTIONS, func(req *sip.Request, tx ServerTransaction) {
			res := sip.NewResponseFromRequest(req, 200, node+" "+g.ListenerOf(tx).Name(), nil)
			if err := tx.Respond(res); err != nil {
				t.Error(err)
			}
		})
		g.Serve()
		t.Cleanup(func() { _ = g.Close(t.Context()) }) // closed sockets close well
		s.gates[node] = g
	}
	return s, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.3"), port)
}

// hears is the next message of a connection.
func hears(t *testing.T, c net.Conn) string {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := c.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

// What comes by a shared listener is answered by the node that is to have it, through
// the one that has the sockets; when those move, the transaction goes on.
func TestSharedListener(t *testing.T) {
	s, at := sharing(t)
	for _, network := range []string{"udp", "tcp"} {
		if err := s.gates["a"].Listener("shared").Raise(); err != nil {
			t.Fatal(err)
		}
		if network == "tcp" && s.gates["b"].Listener("shared").Here() {
			t.Fatal("both have the sockets")
		}
		conn, err := net.Dial(network, at.String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		ask := strings.Replace(optionsTo(conn.LocalAddr().String(), network, ";rport"), "SIP/2.0/UDP", "SIP/2.0/"+strings.ToUpper(network), 1)
		for _, holder := range []string{"a", "b"} {
			if network == "tcp" && holder == "b" {
				continue // a connection stays where it was opened
			}
			for node, g := range s.gates {
				if node != holder {
					if err := g.Listener("shared").Lower(); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := s.gates[holder].Listener("shared").Raise(); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Write([]byte(ask)); err != nil {
				t.Fatal(err)
			}
			if got := hears(t, conn); !strings.HasPrefix(got, "SIP/2.0 200 b shared\r\n") {
				t.Errorf("%s by %s: %s", network, holder, got)
			}
		}
		if servers, _ := s.gates["b"].Listener("shared").layer.Len(); network == "udp" && servers != 1 {
			t.Errorf("%d transactions: the repetition was taken for a request of its own", servers)
		}
		if err := s.gates["b"].Listener("shared").Lower(); err != nil {
			t.Fatal(err)
		}
	}
}

// A request that a node sends by a shared listener leaves by whoever has the sockets,
// and its answer comes back to the node.
func TestRequestBySharedListener(t *testing.T) {
	s, at := sharing(t)
	if err := s.gates["a"].Listener("shared").Raise(); err != nil {
		t.Fatal(err)
	}
	asksBy(t, s, s.gates["b"].Listener("shared"), at)
}

// A request that a node sends by another's own listener leaves there, and its answer
// comes back; what the far end asks of that node goes the same way.
func TestForeignListener(t *testing.T) {
	s, _ := sharing(t)
	own := s.gates["a"].Listener("own")
	by, err := s.gates["b"].Foreign("a", "own", own.Place())
	if err != nil {
		t.Fatal(err)
	}
	at := netip.AddrPortFrom(own.Addr(), own.Ports()["udp"])
	asksBy(t, s, by, at)
	if again, err := s.gates["b"].Foreign("a", "own", own.Place()); err != nil || again != by || s.gates["b"].Listener("a/own") != by {
		t.Errorf("there are two of it: %v", err)
	}
	if s.gates["a"].Listener("a/own") != own {
		t.Error("the node itself does not know its listener by that name")
	}
	conn, err := net.Dial("udp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(optionsTo(conn.LocalAddr().String(), "udp", ";rport"))); err != nil {
		t.Fatal(err)
	}
	if got := hears(t, conn); !strings.HasPrefix(got, "SIP/2.0 200 b a/own\r\n") {
		t.Error(got)
	}
	moved := own.Place()
	moved.Advertised = "sip.example.net"
	if next, err := s.gates["b"].Foreign("a", "own", moved); err != nil || next == by || next.Host() != "sip.example.net" {
		t.Errorf("it is where it was: %v", err)
	}
}

// asksBy has the second node send a request by a listener whose sockets the first one
// has.
func asksBy(t *testing.T, s *pairShare, by *Listener, at netip.AddrPort) {
	t.Helper()
	far, err := net.ListenPacket("udp", "127.0.0.4:0")
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	req := sip.NewRequest(sip.OPTIONS, sip.Uri{Scheme: "sip", Host: "127.0.0.4"})
	from := &sip.FromHeader{Address: by.Contact("udp")}
	from.Params.Add("tag", "1")
	id, hops := sip.CallIDHeader("c"), sip.MaxForwardsHeader(70)
	req.AppendHeader(from)
	req.AppendHeader(&sip.ToHeader{Address: sip.Uri{Scheme: "sip", Host: "127.0.0.4"}})
	req.AppendHeader(&id)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: 1, MethodName: sip.OPTIONS})
	req.AppendHeader(&hops)
	req.SetTransport("UDP")
	req.SetDestination(far.LocalAddr().String())
	req.Laddr = by.Local()
	tx, err := s.gates["b"].Client().TransactionRequest(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Terminate()
	buf := make([]byte, 4096)
	if err := far.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n, came, err := far.ReadFrom(buf)
	if err != nil {
		t.Fatal(err)
	}
	if came.String() != at.String() {
		t.Errorf("it comes from %v", came)
	}
	msg, err := sip.ParseMessage(buf[:n])
	if err != nil {
		t.Fatal(err)
	}
	res := sip.NewResponseFromRequest(msg.(*sip.Request), 200, "OK", nil)
	if node := BranchNode(res); node != "b" {
		t.Errorf("the answer is for %q", node)
	}
	if _, err := far.WriteTo([]byte(res.String()), came); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-tx.Responses():
		if got.StatusCode != 200 {
			t.Errorf("%d", got.StatusCode)
		}
	case <-time.After(10 * time.Second):
		t.Error("the answer does not come back")
	}
}
