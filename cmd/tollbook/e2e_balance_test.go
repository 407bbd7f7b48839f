package main_test

import (
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

var movedTo = regexp.MustCompile(`(?m)^Contact: *<sip:[^@]*@([^>;]+)`)

// asksZone asks a node's DNS and gives the answers' texts without names.
func asksZone(t *testing.T, server, name string, kind uint16) (out []string) {
	t.Helper()
	q := new(dns.Msg)
	q.SetQuestion(name, kind)
	a, _, err := (&dns.Client{Timeout: patience}).Exchange(q, server)
	if err != nil {
		t.Fatal(err)
	}
	for _, rr := range a.Answer {
		out = append(out, strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	return out
}

// drains has a node drained, or not any more, by way of this one.
func (n *node) drains(t *testing.T, verb string, name string) {
	t.Helper()
	if code, _, stderr := tollbook(t, "node", verb, name, "--url", n.url, "--token", adminSecret); code != 0 {
		t.Fatal(stderr)
	}
}

// TestBalancing has DNS and redirects lead to the nodes that take calls, from any node:
// not to one that is drained, nor to one that has died.
func TestBalancing(t *testing.T) {
	needSipp(t) // not in parallel: elections are quick, and this machine may not be slow
	g := newGroupOf(t, newNetwork(), "", func(g *group, name string) string {
		ip, port := g.net.ip(last[name]), g.net.port()
		return fmt.Sprintf("sip:\n- {name: own, address: %q}\n- {name: door, address: %q, redirect: true}\nzone: {name: sip.test, listen: %q, ttl: 1s}\n",
			g.net.addr(last[name]), fmt.Sprintf("%s:%d", ip, port+2), fmt.Sprintf("%s:%d", ip, port+3))
	})
	g.start(t, "n1", "n2", "n3")
	s := &stage{name: "balanced", sell: sellPrice, buy: buyPrice, vendors: []string{""}}
	first := g.nodes["n1"]
	first.apply(t, world(first, []*stage{s}))
	first.credit(t, s.account(), "10", "opening")
	for _, n := range g.nodes {
		until(t, "all know the account", func() bool { return n.has(t, s.account()) })
	}
	g.agrees(t, 3)
	server := func(name string) string { return fmt.Sprintf("%s:%d", g.net.ip(last[name]), g.net.port()+3) }
	nodes := func(of ...string) string { // of DNS, as of the redirect's contacts
		var out []string
		for _, name := range []string{"n1", "n2", "n3"} {
			for _, one := range of {
				if one == name {
					out = append(out, g.net.ip(last[name]))
				}
			}
		}
		return strings.Join(out, " ")
	}
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(s.customerIP()), Port: g.net.port()})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	caller, calls := &socket{conn, s.customerIP(), g.net.port()}, 0
	redirects := func(by string) string {
		calls++
		at := &net.UDPAddr{IP: net.ParseIP(g.net.ip(last[by])), Port: g.net.port() + 2}
		ask := strings.Replace(caller.request("INVITE", s, fmt.Sprint("b", calls), 1, ""), "Call-ID: ", fmt.Sprintf("Call-ID: %d", calls), 1)
		if _, err := caller.WriteToUDP([]byte(strings.ReplaceAll(ask, "\n", "\r\n")), at); err != nil {
			t.Fatal(err)
		}
		answer := caller.hear(t, "SIP/2.0 302", time.Second)
		found := map[string]bool{}
		for _, m := range movedTo.FindAllStringSubmatch(answer, -1) {
			found[strings.TrimSuffix(m[1], fmt.Sprint(":", g.net.port()))] = true
		}
		var out []string
		for _, name := range []string{"n1", "n2", "n3"} {
			if ip := g.net.ip(last[name]); found[ip] {
				out = append(out, ip)
			}
		}
		return strings.Join(out, " ")
	}
	leads := func(by, want string) {
		t.Helper()
		until(t, by+" leads to "+want, func() bool {
			found := map[string]bool{}
			for _, a := range asksZone(t, server(by), "sip.test.", dns.TypeA) {
				found[a] = true
			}
			for _, ip := range strings.Fields(want) {
				if !found[ip] {
					return false
				}
			}
			return len(found) == len(strings.Fields(want)) && redirects(by) == want
		})
	}
	sheet := func() bool {
		var answer struct {
			Interconnects []struct {
				Peer       string
				Domain     string
				Signalling []struct{ Node, Address string }
			}
		}
		first.ask(t, &answer, `{ interconnects(stale: true) { peer domain signalling { node address } } }`, nil)
		for _, sheet := range answer.Interconnects {
			found := map[string]bool{}
			for _, d := range sheet.Signalling {
				found[d.Node+" "+d.Address] = true
			}
			if sheet.Peer == "originator:"+s.name {
				return sheet.Domain == "sip.test" && found["n1 "+g.net.ip(last["n1"])] && found["n2 "+g.net.ip(last["n2"])] && found["n3 "+g.net.ip(last["n3"])]
			}
		}
		return false
	}
	until(t, "the customer's sheet names all nodes", sheet)
	for _, by := range []string{"n1", "n2", "n3"} {
		leads(by, nodes("n1", "n2", "n3"))
	}
	if srv := asksZone(t, server("n2"), "_sip._tcp.sip.test.", dns.TypeSRV); len(srv) == 0 || !strings.HasSuffix(srv[0], ".sip.test.") {
		t.Errorf("%v", srv)
	}
	if kdig, err := exec.LookPath("kdig"); err == nil { // another maker's questions
		for _, way := range []string{"+notcp", "+tcp"} {
			out, err := exec.Command(kdig, "@"+g.net.ip(last["n1"]), "-p", fmt.Sprint(g.net.port()+3), way, "+edns", "+short", "NAPTR", "sip.test").CombinedOutput()
			if err != nil || !strings.Contains(string(out), "SIP+D2U") {
				t.Errorf("kdig %s: %v: %s", way, err, out)
			}
		}
	}
	first.drains(t, "drain", "n2")
	leads("n1", nodes("n1", "n3"))
	leads("n2", nodes("n1", "n3"))
	sipp(t, "refused", s.customerIP(), g.net.port()+1, []string{"@CODE@", "503"}, g.net.addr(last["n2"]), "-s", s.dial(), "-m", "1").wait(t)
	g.nodes["n3"].kill(t)
	leads("n1", nodes("n1"))
	if !sheet() {
		t.Error("the customer's sheet has changed with a node's death")
	}
	first.drains(t, "undrain", "n2")
	leads("n1", nodes("n1", "n2"))
	s.takes(t, 0, 1, "answer")
	sipp(t, "call", s.customerIP(), g.net.port()+1, nil, g.net.addr(last["n2"]), "-s", s.dial(), "-m", "1", "-d", "100").wait(t)
}

var expiry = regexp.MustCompile(`(?m)^Expires: (\d+)`)

// TestRegistrationMoves has one registration of ours, from the shared address, move with
// it when its holder is drained: it is refreshed by the next holder and never taken back.
func TestRegistrationMoves(t *testing.T) {
	g := newSharing(t, "") // not in parallel: elections are quick, and this machine may not be slow
	g.start(t, "n1", "n2", "n3")
	s := &stage{name: "moving", sell: sellPrice, buy: buyPrice, vendors: []string{""}}
	first := g.nodes["n1"]
	s.node = first
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(s.customerIP()), Port: g.net.port()})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	first.apply(t, world(first, []*stage{s})+fmt.Sprintf(
		"registrations:\n  - {id: home, originator: moving, registrar: home.test, proxy: \"%s:%d\", user: ours, password: x, expiry: 60s, listener: shared}\n",
		s.customerIP(), g.net.port()))
	registrar := &socket{conn, s.customerIP(), g.net.port()}
	accepts := func() (callID string) {
		t.Helper()
		buf := make([]byte, 65536)
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		n, from, err := conn.ReadFromUDP(buf)
		if err != nil {
			t.Fatal(err)
		}
		m := strings.ReplaceAll(string(buf[:n]), "\r\n", "\n")
		if from.IP.String() != g.net.ip(sharedHost) || !strings.Contains(m, "\nContact: <sip:ours@"+g.net.addr(sharedHost)) {
			t.Fatalf("from %v:\n%s", from, m)
		}
		if e := expiry.FindStringSubmatch(m); e == nil || e[1] != "60" {
			t.Fatalf("it is taken back:\n%s", m)
		}
		answer := strings.ReplaceAll(registrar.answers(m, "200 OK", false), "Contact:", "Expires: 60\nX:")
		if _, err := conn.WriteToUDP([]byte(strings.ReplaceAll(answer, "\n", "\r\n")), from); err != nil {
			t.Fatal(err)
		}
		return regexp.MustCompile(`(?m)^Call-ID: (.*)$`).FindStringSubmatch(m)[1]
	}
	holder := g.sharedHolder(t)
	before := accepts()
	if !strings.HasSuffix(before, "@"+holder) {
		t.Errorf("%s registers, and %s holds the address", before, holder)
	}
	g.agrees(t, 3)
	first.drains(t, "drain", holder)
	until(t, "another one holds the address", func() bool { return g.sharedHolder(t) != holder })
	for after := before; after == before; { // a repetition may have been on its way
		after = accepts()
	}
	g.nodes[g.sharedHolder(t)].interrupt(t) // a stop gives the address up, too
	for next := g.sharedHolder(t); !strings.HasSuffix(accepts(), "@"+next); {
	}
}
