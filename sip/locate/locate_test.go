package locate

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// zone is a server for names of the tests' own.
type zone struct {
	records map[question][]string
	asked   atomic.Int32
	broken  atomic.Bool
}

func (z *zone) ServeDNS(w dns.ResponseWriter, req *dns.Msg) {
	z.asked.Add(1)
	res := new(dns.Msg)
	res.SetReply(req)
	q := req.Question[0]
	if z.broken.Load() {
		res.Rcode = dns.RcodeServerFailure
	} else {
		for _, text := range z.records[question{strings.ToLower(q.Name), q.Qtype}] {
			rr, err := dns.NewRR(text)
			if err != nil {
				panic(err)
			}
			res.Answer = append(res.Answer, rr)
		}
		if len(res.Answer) == 0 {
			soa, _ := dns.NewRR("test. 60 IN SOA ns.test. me.test. 1 2 3 4 30")
			res.Ns = append(res.Ns, soa)
		}
		if _, udp := w.RemoteAddr().(*net.UDPAddr); udp && res.Len() > 512 {
			res.Truncate(512)
		}
	}
	_ = w.WriteMsg(res) // a test that misses it fails
}

// locator asks a server with the given records, at a time that the test sets.
func locator(t *testing.T, records ...string) (*Locator, *zone, *time.Time) {
	t.Helper()
	z := &zone{records: map[question][]string{}}
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		q := question{rr.Header().Name, rr.Header().Rrtype}
		z.records[q] = append(z.records[q], text)
	}
	udp, tcp := pair(t)
	for _, s := range []*dns.Server{{PacketConn: udp, Handler: z}, {Listener: tcp, Handler: z}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go func() { _ = s.ActivateAndServe() }()
		<-started
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	l, err := New([]string{udp.LocalAddr().String()})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	l.now = func() time.Time { return now }
	l.cache.now = l.now
	l.draw = func(n int) int { return n - 1 }
	return l, z, &now
}

// pair listens to one port by UDP and TCP.
func pair(t *testing.T) (udp net.PacketConn, tcp net.Listener) {
	t.Helper()
	for range 100 { // the port may be taken by another's connection
		udp, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if tcp, err = net.Listen("tcp", udp.LocalAddr().String()); err == nil {
			return udp, tcp
		}
		udp.Close()
	}
	t.Fatal("no port is free by UDP and TCP")
	return nil, nil
}

func found(t *testing.T, l *Locator, target Target) string {
	t.Helper()
	list, err := l.Locate(t.Context(), target)
	if err != nil {
		return err.Error()
	}
	var out []string
	for _, a := range list {
		out = append(out, a.String())
	}
	return strings.Join(out, ", ")
}

func TestOrderOfQuestions(t *testing.T) {
	l, _, _ := locator(t,
		`full.test. 60 IN NAPTR 20 10 "s" "SIP+D2U" "" _sip._udp.full.test.`,
		`full.test. 60 IN NAPTR 10 20 "s" "SIP+D2T" "" _sip._tcp.full.test.`,
		`full.test. 60 IN NAPTR 10 10 "s" "SIPS+D2T" "" _sips._tcp.full.test.`,
		`full.test. 60 IN NAPTR 1 1 "u" "E2U+sip" "!^.*$!sip:x@y!" .`,
		"_sips._tcp.full.test. 60 IN SRV 1 1 5071 a.test.",
		"_sip._tcp.full.test. 60 IN SRV 1 1 5070 b.test.",
		"_sip._udp.full.test. 60 IN SRV 2 1 5070 a.test.",
		"_sip._udp.full.test. 60 IN SRV 1 1 5072 b.test.",
		"full.test. 60 IN A 192.0.2.9",
		"_sip._udp.half.test. 60 IN SRV 1 1 5090 a.test.",
		"_sips._tcp.half.test. 60 IN SRV 1 1 5091 a.test.",
		"a.test. 60 IN A 192.0.2.1", "a.test. 60 IN AAAA 2001:db8::1",
		"b.test. 60 IN A 192.0.2.2", "b.test. 60 IN A 192.0.2.3",
		"gone.test. 60 IN CNAME a.test.",
		"_sip._udp.none.test. 60 IN SRV 0 0 0 .",
	)
	for _, c := range []struct {
		name   string
		target Target
		want   string
	}{
		{"an address", Target{Host: "192.0.2.7"}, "udp 192.0.2.7:5060"},
		{"an address with all", Target{Host: "192.0.2.7", Port: 5080, Transport: "tls"}, "tls 192.0.2.7:5080"},
		{"TLS has another port", Target{Host: "192.0.2.7", Transport: "tls"}, "tls 192.0.2.7:5061"},
		{"IPv6", Target{Host: "[2001:db8::7]", Six: true}, "udp [2001:db8::7]:5060"},
		{"the other family", Target{Host: "192.0.2.7", Six: true}, "locate 192.0.2.7: the address is of the other family than the listener"},
		{"NAPTR", Target{Host: "Full.test"}, "tls 192.0.2.1:5071, tcp 192.0.2.2:5070, tcp 192.0.2.3:5070, udp 192.0.2.2:5072, udp 192.0.2.3:5072, udp 192.0.2.1:5070"},
		{"NAPTR, no TLS here", Target{Host: "full.test", Serves: func(s string) bool { return s == "udp" }}, "udp 192.0.2.2:5072, udp 192.0.2.3:5072, udp 192.0.2.1:5070"},
		{"a transport: SRV", Target{Host: "full.test", Transport: "tcp"}, "tcp 192.0.2.2:5070, tcp 192.0.2.3:5070"},
		{"a port: A", Target{Host: "full.test", Port: 5099}, "udp 192.0.2.9:5099"},
		{"SRV without NAPTR", Target{Host: "half.test"}, "udp 192.0.2.1:5090"},
		{"TLS without NAPTR", Target{Host: "half.test", Transport: "tls"}, "tls 192.0.2.1:5091"},
		{"neither", Target{Host: "a.test"}, "udp 192.0.2.1:5060"},
		{"AAAA", Target{Host: "a.test", Six: true}, "udp [2001:db8::1]:5060"},
		{"no such name", Target{Host: "nowhere.test"}, "locate nowhere.test: the name has no address that we can call"},
		{"the hosts file", Target{Host: "localhost", Port: 5060}, "udp 127.0.0.1:5060"},
	} {
		if got := found(t, l, c.target); got != c.want {
			t.Errorf("%s: %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestWeights(t *testing.T) {
	l, _, _ := locator(t,
		"_sip._udp.w.test. 60 IN SRV 1 0 1 a.test.", "_sip._udp.w.test. 60 IN SRV 1 30 2 a.test.",
		"_sip._udp.w.test. 60 IN SRV 1 70 3 a.test.", "_sip._udp.w.test. 60 IN SRV 5 1 4 a.test.",
		"a.test. 60 IN A 192.0.2.1")
	firsts := map[string]int{}
	for lot := range 101 {
		draws := []int{lot}
		l.draw = func(int) int {
			if len(draws) == 0 {
				return 0
			}
			d := draws[0]
			draws = draws[1:]
			return d
		}
		list, err := l.Locate(t.Context(), Target{Host: "w.test", Transport: "udp"})
		if err != nil || len(list) != 4 || list[3].Addr.Port() != 4 {
			t.Fatalf("%v, %v: the lowest priority comes last", list, err)
		}
		firsts[fmt.Sprint(list[0].Addr.Port())]++
	}
	// Of the lots from 0 to 100 one is the weightless one's, 30 and 70 the others'.
	if firsts["1"] != 1 || firsts["2"] != 30 || firsts["3"] != 70 {
		t.Errorf("first came %v", firsts)
	}
}

func TestAnswersAreKept(t *testing.T) {
	l, z, now := locator(t, "a.test. 60 IN A 192.0.2.1")
	target := Target{Host: "a.test", Port: 1}
	for range 3 {
		if got := found(t, l, target); got != "udp 192.0.2.1:1" {
			t.Fatal(got)
		}
	}
	if n := z.asked.Load(); n != 1 {
		t.Errorf("asked %d times within the TTL", n)
	}
	*now = now.Add(59 * time.Second)
	found(t, l, target)
	if n := z.asked.Load(); n != 1 {
		t.Errorf("asked %d times within the TTL", n)
	}
	*now = now.Add(2 * time.Second)
	found(t, l, target)
	if n := z.asked.Load(); n != 2 {
		t.Errorf("asked %d times, want a second one after the TTL", n)
	}
	z.broken.Store(true)
	*now = now.Add(2 * time.Minute)
	if got := found(t, l, target); got != "udp 192.0.2.1:1" {
		t.Errorf("with a broken server: %s", got)
	}
	*now = now.Add(2 * time.Hour)
	if got := found(t, l, target); !strings.Contains(got, "SERVFAIL") {
		t.Errorf("with a server broken for hours: %s", got)
	}
}

func TestNothingIsKept(t *testing.T) {
	l, z, now := locator(t)
	target := Target{Host: "no.test", Port: 1}
	found(t, l, target)
	found(t, l, target)
	if n := z.asked.Load(); n != 1 {
		t.Errorf("asked %d times for what is not there", n)
	}
	*now = now.Add(31 * time.Second) // the SOA's minimum
	found(t, l, target)
	if n := z.asked.Load(); n != 2 {
		t.Errorf("asked %d times, want a second one", n)
	}
	for i := range maxAnswers + 500 {
		l.cache.keep(question{fmt.Sprint(i), 1}, answer{until: *now})
	}
	if n := len(l.cache.answers); n > maxAnswers {
		t.Errorf("%d answers are kept", n)
	}
}

func TestLongAnswersComeByTCP(t *testing.T) {
	var records []string
	for i := range 40 {
		records = append(records, fmt.Sprintf("many.test. 60 IN A 192.0.2.%d", i+1))
	}
	l, _, _ := locator(t, records...)
	list, err := l.Locate(t.Context(), Target{Host: "many.test", Port: 1})
	if err != nil || len(list) != MaxAddresses {
		t.Errorf("%d addresses, %v", len(list), err)
	}
}

func TestFailedAddressesComeLast(t *testing.T) {
	l, _, now := locator(t, "b.test. 60 IN A 192.0.2.2", "b.test. 60 IN A 192.0.2.3")
	target := Target{Host: "b.test", Port: 1}
	list, err := l.Locate(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	l.Failed(list[0])
	turned, _ := l.Locate(t.Context(), target)
	if turned[0] != list[1] || turned[1] != list[0] {
		t.Errorf("%v after %v failed", turned, list[0])
	}
	l.Works(list[0])
	if again, _ := l.Locate(t.Context(), target); !slices.Equal(again, list) {
		t.Errorf("%v after it worked again", again)
	}
	l.Failed(list[0])
	*now = now.Add(31 * time.Second)
	if again, _ := l.Locate(t.Context(), target); !slices.Equal(again, list) {
		t.Errorf("%v half a minute later", again)
	}
}

func TestPatienceEnds(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	l, err := New([]string{silent.LocalAddr().String()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := l.Locate(ctx, Target{Host: "a.test"}); err == nil || !strings.Contains(err.Error(), "deadline") {
		t.Errorf("%v", err)
	}
}
