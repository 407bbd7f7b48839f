package main_test

import (
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestSignalling plays its stories on one switch with two local addresses, every
// transport and a server for names of its own.
func TestSignalling(t *testing.T) {
	needSipp(t)
	t.Parallel()
	nw := newNetwork()
	certs := newAuthority(t)
	stories := []struct {
		stage
		play func(*testing.T, *stage)
	}{
		{stage{name: "tcp", vendors: []string{", transport: tcp"}}, playTCP},
		{stage{name: "tls", vendors: []string{fmt.Sprintf(", host: vendor.test, port: %d, transport: tls", nw.port()+1)}},
			func(t *testing.T, s *stage) { playTLS(t, s, certs) }},
		{stage{name: "second", vendors: []string{", listener: second"}}, playSecond},
		{stage{name: "names", vendors: []string{", host: names.test"}}, playNames},
		{stage{name: "quiet", vendors: []string{", host: quiet.test"}}, playQuiet},
		{stage{name: "pinged", vendors: []string{", ping: {interval: 1s, timeout: 400ms, down_after: 1}", ""}}, playPinged},
		{stage{name: "registered", vendors: []string{""}}, playRegistered},
	}
	certs.write(t, "switch", nw.ip(1))
	n := serveOn(t, nw, t.TempDir(), fmt.Sprintf(`sip:
  - {name: default, address: %[1]s, udp: %[3]d, tcp: %[3]d, tls: %[4]d, certificate: %[5]s/switch.pem, key: %[5]s/switch.key, authorities: %[5]s/ca.pem}
  - {name: second, address: %[2]s, udp: %[3]d, tcp: %[3]d}
dns: ["%[6]s"]
`, nw.ip(1), nw.ip(2), nw.port(), nw.port()+1, certs.dir, nw.addr(53)))
	var stages []*stage
	for i := range stories {
		s := &stories[i].stage
		s.credit, s.sell, s.buy = "5", sellPrice, buyPrice
		stages = append(stages, s)
	}
	document := world(n, stages) + fmt.Sprintf(
		"evidence_rules: [{id: tls, originators: [tls], capture: sip}]\nregistrations:\n  - {id: elsewhere, originator: registered, registrar: home.test, proxy: \"%s:%d\", user: ours, password: secret, expiry: 60s}\n",
		stages[6].customerIP(), nw.port())
	serveNames(t, nw, stages)
	n.apply(t, document)
	for _, s := range stages {
		n.credit(t, s.account(), s.credit, "opening "+s.name)
	}
	t.Run("stories", func(t *testing.T) {
		for i := range stories {
			t.Run(stories[i].name, func(t *testing.T) {
				t.Parallel()
				stories[i].play(t, &stories[i].stage)
			})
		}
	})
	n.interrupt(t)
	verify(t, n.data)
}

// serveNames answers for the names of the stories' vendors.
func serveNames(t *testing.T, nw network, stages []*stage) {
	t.Helper()
	zone := map[string][]string{}
	add := func(name, kind, value string) {
		key := name + "/" + kind
		zone[key] = append(zone[key], fmt.Sprintf("%s 60 IN %s %s", name, kind, value))
	}
	add("vendor.test.", "A", stages[1].vendorIP(0))
	for i, name := range map[int]string{3: "names", 4: "quiet"} {
		add(name+".test.", "NAPTR", fmt.Sprintf(`10 10 "s" "SIP+D2U" "" _sip._udp.%s.test.`, name))
		add("_sip._udp."+name+".test.", "SRV", fmt.Sprintf("10 0 %d a.%s.test.", nw.port(), name))
		add("_sip._udp."+name+".test.", "SRV", fmt.Sprintf("20 0 %d b.%s.test.", nw.port(), name))
		add("a."+name+".test.", "A", stages[i].vendorIP(0))
		add("b."+name+".test.", "A", stages[i].vendorIP(1))
	}
	conn, err := net.ListenPacket("udp", nw.addr(53))
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, req *dns.Msg) {
		res := new(dns.Msg)
		res.SetReply(req)
		for _, text := range zone[strings.ToLower(req.Question[0].Name)+"/"+dns.TypeToString[req.Question[0].Qtype]] {
			if rr, err := dns.NewRR(text); err == nil {
				res.Answer = append(res.Answer, rr)
			}
		}
		_ = w.WriteMsg(res) // a test that misses it fails
	})}
	go func() { _ = server.ActivateAndServe() }()
	t.Cleanup(func() { conn.Close() })
}

// Both sides speak TCP: three calls over one connection each.
func playTCP(t *testing.T, s *stage) {
	vendor := sipp(t, "answer", s.vendorIP(0), s.net.port(), []string{"@RING@", "100", "@TALK@", "1200"}, "-m", "3", "-t", "t1")
	until(t, "the vendor listens", func() bool {
		c, err := net.Dial("tcp", net.JoinHostPort(s.vendorIP(0), strconv.Itoa(s.net.port())))
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	s.calls(t, "call", 3, nil, "-d", "500", "-t", "t1")
	vendor.wait(t)
	s.settled(t, s.filter(), 6)
}

// The vendor is called from the address that he names, and told that one.
func playSecond(t *testing.T, s *stage) {
	vendor := s.hears(t, s.vendorIP(0))
	caller := s.hears(t, s.customerIP())
	long := strings.Replace(caller.request("INVITE", s, "1", 1, ""), "Max-Forwards", "Identity: "+strings.Repeat("long", 700)+"\nMax-Forwards", 1)
	caller.says(t, s.net, long)
	invite := vendor.must(t, "INVITE")
	at := s.net.addr(2)
	if !strings.Contains(invite, "Via: SIP/2.0/UDP "+at) || !strings.Contains(invite, "Contact: <sip:tollbook@"+at+">") || len(invite) < 2800 {
		t.Errorf("the vendor is called with\n%s", invite)
	}
	if _, err := vendor.WriteToUDP([]byte(strings.ReplaceAll(vendor.answers(invite, "486 Busy Here", false), "\n", "\r\n")),
		&net.UDPAddr{IP: net.ParseIP(s.net.ip(2)), Port: s.net.port()}); err != nil {
		t.Fatal(err)
	}
	caller.must(t, "SIP/2.0 486")
}

// The first host of a vendor says 503: the second one gets the same attempt.
func playNames(t *testing.T, s *stage) {
	first := s.takes(t, 0, 1, "refuse", "@CODE@", "503")
	s.takes(t, 1, 1, "answer")
	s.calls(t, "call", 1, nil, "-d", "500")
	first.wait(t)
	s.billed(t, legs(t, s.settled(t, s.filter(), 2), 200, 200), 0)
	if story := s.story(t); !strings.Contains(story, ": 503 ") || !strings.Contains(story, s.vendorIP(1)) {
		t.Errorf("the call's story does not tell where it went:\n%s", story)
	}
}

// The first host says nothing; when it answers after all that is not a second call.
func playQuiet(t *testing.T, s *stage) {
	first := s.hears(t, s.vendorIP(0))
	s.takes(t, 1, 1, "answer")
	call := s.starts(t, "call", 1, nil, "-d", "2000")
	invite := first.must(t, "INVITE")
	time.Sleep(4500 * time.Millisecond)
	first.says(t, s.net, first.answers(invite, "200 OK", true))
	first.must(t, "ACK")
	bye := first.must(t, "BYE")
	first.says(t, s.net, first.answers(bye, "200 OK", false))
	call.wait(t)
	legs(t, s.settled(t, s.filter(), 2), 200, 200)
}

// story is what the API tells of the only call.
func (s *stage) story(t *testing.T) string {
	t.Helper()
	all := s.cdrs(t, s.filter())
	var out struct {
		Call struct{ Events []struct{ Text string } }
	}
	s.ask(t, &out, `query ($id: ID!) { call(id: $id) { events { text } } }`, map[string]any{"id": all[0].CallID})
	var lines []string
	for _, e := range out.Call.Events {
		lines = append(lines, e.Text)
	}
	return strings.Join(lines, "\n")
}

// A vendor who does not answer pings gets no calls until he does.
func playPinged(t *testing.T, s *stage) {
	vendor := s.hears(t, s.vendorIP(0))
	until(t, "the vendor is down", func() bool { return s.pinged(t, "TERMINATOR_DOWN") == 1 })
	s.takes(t, 1, 1, "answer")
	s.calls(t, "call", 1, nil, "-d", "300")
	all := legs(t, s.settled(t, s.filter(), 2), 200, 200)
	if all[1].TerminatorID != "terminator:"+s.terminator(1) || !strings.Contains(s.story(t), s.terminator(0)+" (down)") {
		t.Errorf("the call went to %s\n%s", all[1].TerminatorID, s.story(t))
	}
	for s.pinged(t, "TERMINATOR_UP") == 0 {
		if ping := vendor.hear(t, "OPTIONS", 200*time.Millisecond); ping != "" {
			vendor.says(t, s.net, vendor.answers(ping, "200 OK", false))
		}
	}
}

func (s *stage) pinged(t *testing.T, kind string) int {
	t.Helper()
	var out struct {
		Audit struct{ Nodes []struct{ Actor string } }
	}
	s.ask(t, &out, `query ($k: AuditKind) { audit(first: 100, kind: $k) { nodes { actor } } }`, map[string]any{"k": kind})
	count := 0
	for _, e := range out.Audit.Nodes {
		if e.Actor == "terminator:"+s.terminator(0) {
			count++
		}
	}
	return count
}

var authorization = regexp.MustCompile(`(?m)^Authorization: Digest .*algorithm=SHA-256`)
var contact = regexp.MustCompile(`(?m)^Contact: <([^>]+)>`)

// We register elsewhere, and a call to the registered contact is the originator's,
// whose networks it does not come from.
func playRegistered(t *testing.T, s *stage) {
	registrar := s.hears(t, s.customerIP())
	register := registrar.must(t, "REGISTER sip:home.test")
	challenge := registrar.answers(register, "401 Unauthorized", false)
	registrar.says(t, s.net, strings.Replace(challenge, "Contact:",
		"WWW-Authenticate: Digest realm=\"home.test\", nonce=\"a\", algorithm=MD5, qop=\"auth\"\n"+
			"WWW-Authenticate: Digest realm=\"home.test\", nonce=\"b\", algorithm=SHA-256, qop=\"auth\"\nX:", 1))
	again := registrar.must(t, "REGISTER")
	for !authorization.MatchString(again) { // the first one may have been repeated
		again = registrar.must(t, "REGISTER")
	}
	at := contact.FindStringSubmatch(again)[1]
	registrar.says(t, s.net, strings.Replace(registrar.answers(again, "200 OK", false), "Contact: <", "Contact: <"+at+">;expires=60, <", 1))
	until(t, "the registration is known", func() bool {
		var out struct {
			Audit struct{ Nodes []struct{ Note string } }
		}
		s.ask(t, &out, `{ audit(first: 10, kind: REGISTERED) { nodes { note } } }`, nil)
		return len(out.Audit.Nodes) == 1
	})
	vendor := s.takes(t, 0, 1, "answer")
	invite := registrar.request("INVITE", s, "1", 1, "")
	registrar.says(t, s.net, strings.Replace(invite, "INVITE sip:"+s.dial()+"@"+s.net.addr(1), "INVITE "+at, 1))
	ok := registrar.must(t, "SIP/2.0 200")
	tag := toTag.FindStringSubmatch(ok)[1]
	registrar.says(t, s.net, registrar.request("ACK", s, "2", 1, tag))
	registrar.says(t, s.net, registrar.request("BYE", s, "3", 2, tag))
	vendor.wait(t)
	legs(t, s.settled(t, s.filter(), 2), 200, 200)
}

// TestSixAndDrain has a call over IPv6 alone, media too, and a stop that waits for it.
func TestSixAndDrain(t *testing.T) {
	needSipp(t)
	t.Parallel()
	nw := newNetwork()
	port := nw.port() + 10 + 3*nw.third // the only address has a port for each party
	probe, err := net.Listen("tcp", fmt.Sprintf("[::1]:%d", port))
	if err != nil {
		t.Skipf("SKIPPED: no IPv6 here: %v", err)
	}
	probe.Close()
	n := serveOn(t, nw, t.TempDir(), fmt.Sprintf("sip: \"[::1]:%d\"\nmedia: {ports: 41000-42000}\ndrain: 20s\n", port))
	s := &stage{name: "six", credit: "5", sell: sellPrice, buy: buyPrice, vendors: []string{fmt.Sprintf(", host: \"::1\", port: %d", port+1)}}
	n.apply(t, strings.Replace(world(n, []*stage{s}), s.customerIP()+"/32", "\"::1/128\"", 1))
	n.credit(t, s.account(), s.credit, "opening")
	vendor := sipp(t, "answer", "::1", port+1, []string{"@RING@", "500", "@TALK@", "0"}, "-m", "1")
	caller := sipp(t, "call", "::1", port+2, nil, fmt.Sprintf("[::1]:%d", port), "-s", s.dial(), "-m", "1", "-d", "2500")
	until(t, "the call is talked", func() bool {
		var out struct {
			LiveCalls struct{ Nodes []struct{ State string } }
		}
		n.ask(t, &out, `{ liveCalls(first: 5) { nodes { state } } }`, nil)
		return len(out.LiveCalls.Nodes) == 1 && out.LiveCalls.Nodes[0].State == "TALKING"
	})
	n.interrupt(t) // ends with the call, whose parties hang up as they meant to
	caller.wait(t)
	vendor.wait(t)
	again := serveOn(t, nw, n.data, fmt.Sprintf("sip: \"[::1]:%d\"\nmedia: {ports: 41000-42000}\n", port))
	all := legs(t, again.settled(t, s.filter(), 2), 200, 200)
	if talk := ms(t, all[0].Talk); talk < 2000 || all[0].EndedBy != "CALLER" {
		t.Errorf("%+v", all[0])
	}
	again.interrupt(t)
	verify(t, n.data)
}
