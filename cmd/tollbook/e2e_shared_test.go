package main_test

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// prober places a short call every so often, without patience: it sends nothing again.
type prober struct {
	conn     *socket
	to       netip.AddrPort
	dial     string
	stop     chan struct{}
	ended    sync.WaitGroup
	mu       sync.Mutex
	sent     map[string]time.Time // by the number of the call
	answered []probe
	refused  map[string]int // by status
}

// probe is a call that was answered.
type probe struct{ sent, answered time.Time }

const probeEvery = 50 * time.Millisecond

// probes begins to call a number.
func probes(t *testing.T, conn *socket, to netip.AddrPort, dial string) *prober {
	return probesEvery(t, conn, to, dial, probeEvery)
}

func probesEvery(t *testing.T, conn *socket, to netip.AddrPort, dial string, every time.Duration) *prober {
	p := &prober{conn: conn, to: to, dial: dial, stop: make(chan struct{}), sent: map[string]time.Time{}, refused: map[string]int{}}
	p.ended.Go(func() {
		for i := 1; ; i++ {
			select {
			case <-p.stop:
				return
			case <-time.After(every):
			}
			number := strconv.Itoa(i)
			p.mu.Lock()
			p.sent[number] = time.Now()
			p.mu.Unlock()
			p.say(p.request("INVITE", number, "", 1))
		}
	})
	p.ended.Go(p.listen)
	t.Cleanup(func() { p.end() })
	return p
}

func (p *prober) end() {
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
	p.ended.Wait()
}

func (p *prober) say(message string) {
	_, _ = p.conn.WriteToUDPAddrPort([]byte(strings.ReplaceAll(message, "\n", "\r\n")), p.to) // while nobody is there
}

func (p *prober) request(method, number, tag string, seq int) string {
	if tag != "" {
		tag = ";tag=" + tag
	}
	body := ""
	if method == "INVITE" {
		body = p.conn.description()
	}
	return fmt.Sprintf("%s sip:%s@%s SIP/2.0\nVia: SIP/2.0/UDP %s:%d;branch=z9hG4bKp%s%s\nFrom: <sip:15550100@%s>;tag=caller\nTo: <sip:%s@%s>%s\n"+
		"Call-ID: probe%s-%d@%s\nCSeq: %d %s\nContact: <sip:15550100@%s:%d>\nMax-Forwards: 70\nContent-Type: application/sdp\nContent-Length: %d\n\n%s",
		method, p.dial, p.to, p.conn.ip, p.conn.port, number, method, p.conn.ip, p.dial, p.to.Addr(), tag,
		number, p.conn.port, p.conn.ip, seq, method, p.conn.ip, p.conn.port, len(strings.ReplaceAll(body, "\n", "\r\n")), body)
}

var (
	probeID = regexp.MustCompile(`(?m)^Call-ID: probe(\d+)-`)
	status  = regexp.MustCompile(`^SIP/2\.0 (\d+)`)
)

// listen ends each call as soon as it is answered.
func (p *prober) listen() {
	buf := make([]byte, 65536)
	for {
		select {
		case <-p.stop:
			return
		default:
		}
		if err := p.conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			return
		}
		n, _, err := p.conn.ReadFromUDP(buf)
		if err != nil {
			continue // nobody is there
		}
		m := strings.ReplaceAll(string(buf[:n]), "\r\n", "\n")
		id, code := probeID.FindStringSubmatch(m), status.FindStringSubmatch(m)
		if id == nil || code == nil || !strings.Contains(m, "INVITE\n") || code[1][0] == '1' {
			continue
		}
		tag := ""
		if found := toTag.FindStringSubmatch(m); found != nil {
			tag = found[1]
		}
		p.say(p.request("ACK", id[1], tag, 1))
		p.mu.Lock()
		sent, open := p.sent[id[1]]
		delete(p.sent, id[1])
		if open && code[1] == "200" {
			p.answered = append(p.answered, probe{sent, time.Now()})
		} else if open {
			p.refused[code[1]]++
		}
		p.mu.Unlock()
		if code[1] == "200" {
			p.say(p.request("BYE", id[1], tag, 2))
		}
	}
}

// firstAfter is the first call that was placed after an instant and answered; the zero
// probe if there is none yet.
func (p *prober) firstAfter(at time.Time) probe {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.answered {
		if one.sent.After(at) {
			return one
		}
	}
	return probe{}
}

// gap waits until calls are answered that were placed after an instant, and is how long
// that was.
func (p *prober) gap(t *testing.T, since time.Time) time.Duration {
	t.Helper()
	until(t, "new calls are answered", func() bool { return !p.firstAfter(since).answered.IsZero() })
	return p.firstAfter(since).answered.Sub(since)
}

// sharedHolder is the node that holds the shared address, by what the nodes say of it.
func (g *group) sharedHolder(t *testing.T) string {
	t.Helper()
	holder := ""
	until(t, "one node holds the shared address", func() bool {
		holder = ""
		for name, n := range g.nodes {
			log := n.stderr.String()
			if n.alive() && strings.LastIndex(log, "holds a shared address\"") > strings.LastIndex(log, "gives up a shared address") {
				holder = name
			}
		}
		return holder != ""
	})
	return holder
}

const sharedHost = 250

// newSharing makes a group on loopback with a shared address, whose calls are spread.
func newSharing(t *testing.T, more string) *group {
	ports := map[string]string{"n1": "20000-23999", "n2": "24000-27999", "n3": "28000-31999"}
	return newGroupOf(t, newNetwork(), "", func(g *group, name string) string {
		return fmt.Sprintf("sip:\n- {name: own, address: %q}\n- {name: shared, address: %q}\nshared:\n  addresses: [{address: %s/8}]\n%smedia: {ports: %s}\n",
			g.net.addr(last[name]), g.net.addr(sharedHost), g.net.ip(sharedHost), more, ports[name])
	})
}

// TestSharedAddress has calls come to an address that three nodes share, and its holder
// killed: calls are spread over the nodes, those of the others go on, and new ones are
// answered by the next holder.
func TestSharedAddress(t *testing.T) {
	needSipp(t) // not in parallel: elections are quick, and this machine may not be slow
	g := newSharing(t, "  dispatch: true\n")
	g.start(t, "n1", "n2", "n3")
	s := &stage{name: "shared", sell: sellPrice, buy: buyPrice, vendors: []string{""}}
	first := g.nodes["n1"]
	first.apply(t, world(first, []*stage{s}))
	first.credit(t, s.account(), "50", "opening")
	until(t, "the others know the account", func() bool { return g.nodes["n2"].has(t, s.account()) && g.nodes["n3"].has(t, s.account()) })
	g.agrees(t, 3)
	s.takes(t, 0, 100_000, "answer")

	holder := g.sharedHolder(t)
	talks := 24
	calls := sipp(t, "call", s.customerIP(), g.net.port(), nil, g.net.addr(sharedHost), "-s", s.dial(), "-m", strconv.Itoa(talks), "-d", "6000", "-r", "50")
	until(t, "all calls are up", func() bool { return first.talking(t) == talks })
	spread := g.spread(t)
	for name, n := range spread {
		if n == 0 || n == talks {
			t.Errorf("%d of %d calls are on %s: %v", n, talks, name, spread)
		}
	}
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(s.customerIP()), Port: g.net.port() + 1})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	p := probes(t, &socket{conn, s.customerIP(), g.net.port() + 1}, netip.MustParseAddrPort(g.net.addr(sharedHost)), s.dial())
	p.gap(t, time.Now())
	g.nodes[holder].kill(t)
	gap := p.gap(t, time.Now())
	next := g.sharedHolder(t)
	t.Logf("%s held the address and was killed; after %v calls were answered by %s", holder, gap, next)
	p.end()
	select {
	case <-calls.exited: // those of the node that was killed may have gone wrong
	case <-time.After(patience):
		t.Error("sipp does not end")
	}
	rest := g.nodes[next]
	until(t, "the calls of the other nodes have ended well", func() bool {
		ended := 0
		for _, c := range rest.cdrs(t, s.filter()) {
			if c.Leg == 0 && !strings.HasPrefix(c.SipCallID, "probe") && c.Cause == "answered" && c.EndedBy == "CALLER" && ms(t, c.Talk) > 5900 {
				ended++
			}
		}
		return ended >= talks-spread[holder]
	})
}

// spread counts the calls in progress on each node.
func (g *group) spread(t *testing.T) map[string]int {
	t.Helper()
	var answer struct {
		LiveCalls struct{ Nodes []struct{ Node string } }
	}
	g.nodes["n1"].ask(t, &answer, `{ liveCalls(first: 100) { nodes { node } } }`, nil)
	spread := map[string]int{"n1": 0, "n2": 0, "n3": 0}
	for _, c := range answer.LiveCalls.Nodes {
		spread[c.Node]++
	}
	return spread
}
