package zone

import (
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/tollbook/tollbook/events/wire"
)

func place(own, six, shared string) *wire.NodePlace {
	ports := []*wire.NodePort{{Transport: "udp", Port: 5060}, {Transport: "tcp", Port: 5060}, {Transport: "ws", Port: 80}}
	return &wire.NodePlace{Listeners: []*wire.NodeListener{
		{Name: "own", Address: own, Ports: ports}, {Name: "six", Address: six, Ports: ports[:1]},
		{Name: "shared", Address: shared, Ports: ports, Shared: true}, {Name: "mapped", Address: "edge.other.test", Ports: ports},
	}}
}

func fixture(nodes ...Node) *Server {
	return New(Config{Name: "sip.example.net", TTL: 5 * time.Second, Log: slog.New(slog.DiscardHandler), Nodes: func() []Node { return nodes }})
}

var (
	one = Node{Name: "n1", Free: 100, Place: place("192.0.2.1", "2001:db8::1", "192.0.2.100")}
	two = Node{Name: "n2", Free: 50, Place: place("192.0.2.2", "2001:db8::2", "192.0.2.100")}
)

func ask(s *Server, name string, kind uint16) *dns.Msg {
	q := new(dns.Msg)
	q.SetQuestion(name, kind)
	return s.Answer(q)
}

// lines are the answers without names and times.
func lines(records []dns.RR) string {
	var out []string
	for _, rr := range records {
		out = append(out, strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	return strings.Join(out, " | ")
}

func TestServices(t *testing.T) {
	s := fixture(one, two)
	a := ask(s, "sip.example.net.", dns.TypeNAPTR)
	if got := lines(a.Answer); got != `10 10 "s" "SIP+D2U" "" _sip._udp.sip.example.net. | 20 10 "s" "SIP+D2T" "" _sip._tcp.sip.example.net.` || !a.Authoritative {
		t.Errorf("%s", got)
	}
	a = ask(s, "_SIP._udp.sip.example.net.", dns.TypeSRV)
	weights := map[string]uint16{}
	for _, rr := range a.Answer {
		srv := rr.(*dns.SRV)
		weights[srv.Target] = srv.Weight
		if srv.Port != 5060 || srv.Hdr.Ttl != 5 || srv.Hdr.Name != "_SIP._udp.sip.example.net." {
			t.Errorf("%v", srv)
		}
	}
	if weights["own.n1.sip.example.net."] != 1000 || weights["own.n2.sip.example.net."] != 500 || len(weights) != 4 {
		t.Errorf("%v", weights)
	}
	if len(a.Extra) != 4 {
		t.Errorf("%v", a.Extra)
	}
	if got := lines(ask(s, "own.n2.sip.example.net.", dns.TypeA).Answer); got != "192.0.2.2" {
		t.Errorf("%s", got)
	}
}

// Who has more room is in front more often.
func TestOrder(t *testing.T) {
	s, first := fixture(one, two), map[string]int{}
	for range 3000 {
		first[lines(ask(s, "sip.example.net.", dns.TypeA).Answer[:1])]++
	}
	if n := first["192.0.2.1"]; n < 1800 || n > 2200 {
		t.Errorf("%v", first)
	}
}

func TestOthersNames(t *testing.T) {
	s := fixture(one)
	for _, c := range []struct {
		name string
		kind uint16
		code int
		auth bool
	}{
		{"sip.example.net.", dns.TypeSOA, dns.RcodeSuccess, true},
		{"sip.example.net.", dns.TypeMX, dns.RcodeSuccess, true},
		{"n1.sip.example.net.", dns.TypeA, dns.RcodeSuccess, true},   // there are names below it
		{"_udp.sip.example.net.", dns.TypeA, dns.RcodeSuccess, true}, // likewise
		{"dp.sip.example.net.", dns.TypeA, dns.RcodeNameError, true},
		{"n2.sip.example.net.", dns.TypeA, dns.RcodeNameError, true},
		{"_sips._tcp.sip.example.net.", dns.TypeSRV, dns.RcodeNameError, true},
		{"example.net.", dns.TypeA, dns.RcodeRefused, false},
		{"xsip.example.net.", dns.TypeA, dns.RcodeRefused, false},
	} {
		if a := ask(s, c.name, c.kind); a.Rcode != c.code || a.Authoritative != c.auth || c.auth && len(a.Answer) == 0 && len(a.Ns) != 1 {
			t.Errorf("%s %d: %v", c.name, c.kind, a)
		}
	}
	q := new(dns.Msg)
	q.SetUpdate("sip.example.net.")
	if a := s.Answer(q); a.Rcode != dns.RcodeNotImplemented {
		t.Errorf("an update: %v", a)
	}
	q = new(dns.Msg)
	q.SetQuestion("sip.example.net.", dns.TypeA)
	q.SetEdns0(4096, false)
	q.IsEdns0().SetVersion(1)
	if a := s.Answer(q); a.Rcode != dns.RcodeBadVers {
		t.Errorf("EDNS of another version: %v", a)
	}
}

// Over sockets: UDP and TCP, an answer that is too long for one goes by the other, and
// who asks too often is not answered in full.
func TestSockets(t *testing.T) {
	var many []Node
	for i := range 30 {
		many = append(many, Node{Name: "n" + string(rune('a'+i%26)) + string(rune('a'+i/26)), Free: 1, Place: place("192.0.2.1", "2001:db8::1", "192.0.2.100")})
	}
	at := netip.MustParseAddrPort("127.0.0.1:0")
	c := fixture(many...).config
	s, err := Open(c, []netip.AddrPort{at})
	if err != nil {
		t.Fatal(err)
	}
	udp, tcp := s.servers[0].PacketConn.LocalAddr().String(), s.servers[1].Listener.Addr().String()
	q := new(dns.Msg)
	q.SetQuestion("_sip._udp.sip.example.net.", dns.TypeSRV)
	short, _, err := (&dns.Client{}).Exchange(q, udp)
	if err != nil || !short.Truncated {
		t.Fatalf("%v, %v", short, err)
	}
	long, _, err := (&dns.Client{Net: "tcp"}).Exchange(q, tcp)
	if err != nil || long.Truncated || len(long.Answer) != mostRecords {
		t.Fatalf("%v, %v", long, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestPace(t *testing.T) {
	p, got, now := newPace(), map[verdict]int{}, time.Now()
	for range 3 * perSecond {
		got[p.ask(netip.MustParseAddr("192.0.2.1"), now)]++
		got[p.ask(netip.MustParseAddr("192.0.2.9"), now)]++ // of the same network
	}
	if got[whole] != perSecond || got[short] == 0 || got[silent] == 0 {
		t.Errorf("%v", got)
	}
	if p.ask(netip.MustParseAddr("198.51.100.1"), now) != whole || p.ask(netip.MustParseAddr("192.0.2.1"), now.Add(time.Second)) != whole {
		t.Error("others suffer, or the next second does")
	}
}

// FuzzAnswer has any message answered without a panic, by one that can be packed.
func FuzzAnswer(f *testing.F) {
	q := new(dns.Msg)
	q.SetQuestion("_sip._udp.sip.example.net.", dns.TypeSRV)
	data, err := q.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	s := fixture(one, two)
	f.Fuzz(func(t *testing.T, data []byte) {
		var q dns.Msg
		if q.Unpack(data) != nil {
			return
		}
		if _, err := s.Answer(&q).Pack(); err != nil && len(q.Question) == 1 {
			t.Errorf("%v: %v", q, err)
		}
	})
}
