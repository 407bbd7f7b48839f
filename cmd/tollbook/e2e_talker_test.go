package main_test

import (
	wirebytes "encoding/binary"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// talker is one side of many calls at once: it takes calls, agrees to changes of the
// session and to their end, and talks all the time. Calls are known by their Call-ID.
type talker struct {
	conn   *net.UDPConn
	opens  opener
	wire   *streams // SIP goes by streams, nil by UDP
	keyed  bool     // media is encrypted
	ip     string
	port   int
	ended  atomic.Int32 // BYEs heard
	refuse atomic.Bool  // re-INVITEs get a 403
	rings  atomic.Bool  // new calls are not answered
	stop   chan struct{}
	done   sync.WaitGroup

	mu    sync.Mutex
	calls map[string]*talkerCall
}

// talkerCall is one of a talker's calls. Its talker's mutex guards it.
type talkerCall struct {
	id, local, remote string // From and To of our own requests
	target            string // the switch's Contact
	sequence          int
	media             *net.UDPConn
	to                *net.UDPAddr // the switch's end of the media
	accepted          bool         // the caller's INVITE
	moved             int          // how often the switch has changed the session
	over              bool
	heard             int
	last              time.Time     // when media came last
	gap               time.Duration // the longest time without
	keys              keys
}

// path is a way to somebody: it sends him a message.
type path func(message string)

var (
	connection = regexp.MustCompile(`(?m)^c=IN IP4 (\S+)`)
	contactURI = regexp.MustCompile(`(?m)^Contact: *<?sip:([^>\s]*)`)
	callIDLine = regexp.MustCompile(`(?m)^Call-ID: *(\S+)`)
	fromLine   = regexp.MustCompile(`(?m)^From: *(.*)`)
	toLine     = regexp.MustCompile(`(?m)^To: *(.*)`)
	cseqLine   = regexp.MustCompile(`(?m)^CSeq: *(\d+) (\w+)`)
)

// opener opens a socket of UDP where a talker is.
type opener func(at *net.UDPAddr) (*net.UDPConn, error)

// here opens a socket on this machine.
func here(at *net.UDPAddr) (*net.UDPConn, error) { return net.ListenUDP("udp", at) }

// newTalker begins to listen at an address, in a place.
func newTalker(t *testing.T, opens opener, ip string, port int) *talker {
	t.Helper()
	conn, err := opens(&net.UDPAddr{IP: net.ParseIP(ip), Port: port})
	if err != nil {
		t.Fatal(err)
	}
	p := &talker{conn: conn, opens: opens, ip: ip, port: port, stop: make(chan struct{}), calls: map[string]*talkerCall{}}
	p.done.Go(p.listen)
	p.begins(t)
	return p
}

// begins talks until the test is over.
func (p *talker) begins(t *testing.T) {
	t.Helper()
	p.done.Go(p.talk)
	t.Cleanup(func() {
		close(p.stop)
		if p.conn != nil {
			p.conn.Close()
		}
		p.mu.Lock()
		for _, c := range p.calls {
			c.media.Close()
		}
		p.mu.Unlock()
		p.done.Wait()
	})
}

func (p *talker) listen() {
	buf := make([]byte, 65536)
	for {
		n, from, err := p.conn.ReadFromUDP(buf)
		if err != nil {
			return
		}
		p.take(strings.ReplaceAll(string(buf[:n]), "\r\n", "\n"), p.to(from.String()))
	}
}

// to is the way to an address.
func (p *talker) to(at string) path {
	if p.wire != nil {
		return p.wire.to(at)
	}
	return func(message string) {
		if to, err := net.ResolveUDPAddr("udp", at); err == nil { // else it is as lost as on any network
			_, _ = p.conn.WriteToUDP([]byte(strings.ReplaceAll(message, "\n", "\r\n")), to)
		}
	}
}

// transport names how SIP goes, as in a Via.
func (p *talker) transport() string {
	if p.wire != nil {
		return p.wire.name
	}
	return "UDP"
}

// contact is where we are.
func (p *talker) contact() string {
	return fmt.Sprintf("<sip:%s:%d;transport=%s>", p.ip, p.port, strings.ToLower(p.transport()))
}

// take answers one message.
func (p *talker) take(m string, back path) {
	id, cseq := callIDLine.FindStringSubmatch(m), cseqLine.FindStringSubmatch(m)
	if id == nil || cseq == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.calls[id[1]]
	switch {
	case strings.HasPrefix(m, "SIP/2.0 200") && cseq[2] == "INVITE" && c != nil:
		c.remote, c.accepted = toLine.FindStringSubmatch(m)[1], true
		c.meet(m)
		back(p.request(c, "ACK", ""))
	case strings.HasPrefix(m, "INVITE"):
		if c != nil && p.refuse.Load() {
			p.answer(m, back, "403 Forbidden", nil)
			return
		}
		if c == nil && p.rings.Load() {
			p.answer(m, back, "180 Ringing", nil)
			return
		}
		if c == nil {
			var err error
			if c, err = p.open(id[1]); err != nil {
				return
			}
			c.local, c.remote, c.sequence = toLine.FindStringSubmatch(m)[1]+";tag=talker", fromLine.FindStringSubmatch(m)[1], 1
		} else if target := contactURI.FindStringSubmatch(m)[1]; target != c.target {
			c.moved++
		}
		c.meet(m)
		p.answer(m, back, "200 OK", c)
	case strings.HasPrefix(m, "BYE"):
		if c != nil {
			c.over = true
		}
		p.ended.Add(1)
		p.answer(m, back, "200 OK", nil)
	}
}

// open makes a call with media of its own.
func (p *talker) open(id string) (*talkerCall, error) {
	media, err := p.opens(&net.UDPAddr{IP: net.ParseIP(p.ip)})
	if err != nil {
		return nil, err
	}
	c := &talkerCall{id: id, media: media}
	if p.keyed {
		c.keys.draw()
	}
	p.calls[id] = c
	p.done.Go(func() {
		buf := make([]byte, 2048)
		for {
			n, _, err := media.ReadFromUDP(buf)
			if err != nil {
				return
			}
			p.mu.Lock()
			if p.keyed && !c.keys.opens(buf[:n]) {
				p.mu.Unlock()
				continue
			}
			now := time.Now()
			if c.heard++; c.heard > 1 && !c.over {
				c.gap = max(c.gap, now.Sub(c.last))
			}
			c.last = now
			p.mu.Unlock()
		}
	})
	return c, nil
}

// meet notes where the switch is now.
func (c *talkerCall) meet(m string) {
	if at := contactURI.FindStringSubmatch(m); at != nil {
		c.target = at[1]
	}
	c.keys.meet(m)
	address, port := connection.FindStringSubmatch(m), mediaLine.FindStringSubmatch(m)
	if address == nil || port == nil {
		return
	}
	n, err := strconv.Atoi(port[1])
	if err == nil {
		c.to = &net.UDPAddr{IP: net.ParseIP(address[1]), Port: n}
	}
}

func (p *talker) description(c *talkerCall) string {
	return fmt.Sprintf("v=0\no=- 1 1 IN IP4 %s\ns=-\nc=IN IP4 %s\nt=0 0\nm=audio %d %s 8\n%s",
		p.ip, p.ip, c.media.LocalAddr().(*net.UDPAddr).Port, map[bool]string{false: "RTP/AVP", true: "RTP/SAVP"}[p.keyed], c.keys.line())
}

// answer answers a request, with a description where c is not nil.
func (p *talker) answer(request string, back path, status string, c *talkerCall) {
	body, line := "", toLine.FindString(request)
	if c != nil {
		body = p.description(c)
	}
	if !strings.Contains(line, "tag=") {
		line += ";tag=talker"
	}
	back(fmt.Sprintf("SIP/2.0 %s\n%s%s\nContact: %s\nContent-Type: application/sdp\nContent-Length: %d\n\n%s", status,
		strings.Join(header.FindAllString(request, -1), ""), line, p.contact(), len(strings.ReplaceAll(body, "\n", "\r\n")), body))
}

// request makes a request of our own.
func (p *talker) request(c *talkerCall, method, body string) string {
	if method != "ACK" {
		c.sequence++
	}
	return fmt.Sprintf("%s sip:%s SIP/2.0\nVia: SIP/2.0/%s %s:%d;branch=z9hG4bK%s%s%d\nFrom: %s\nTo: %s\nCall-ID: %s\nCSeq: %d %s\n"+
		"Contact: %s\nMax-Forwards: 70\nContent-Type: application/sdp\nContent-Length: %d\n\n%s",
		method, c.target, p.transport(), p.ip, p.port, method, c.id, c.sequence, c.local, c.remote, c.id, c.sequence, method, p.contact(),
		len(strings.ReplaceAll(body, "\n", "\r\n")), body)
}

// dial calls a number at a switch, and waits until it is answered.
func (p *talker) dial(t *testing.T, number, at, id string) *talkerCall {
	t.Helper()
	c := p.begin(t, number, at, id)
	until(t, "call "+id+" is answered", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return c.accepted
	})
	return c
}

// begin calls a number at a switch.
func (p *talker) begin(t *testing.T, number, at, id string) *talkerCall {
	t.Helper()
	p.mu.Lock()
	c, err := p.open(id)
	if err != nil {
		t.Fatal(err)
	}
	c.target = number + "@" + at
	c.local, c.remote = fmt.Sprintf("<sip:15550100@%s>;tag=%s", p.ip, id), fmt.Sprintf("<sip:%s@%s>", number, at)
	invite := p.request(c, "INVITE", p.description(c))
	p.mu.Unlock()
	p.to(at)(invite)
	return c
}

// hangUp ends a call.
func (p *talker) hangUp(t *testing.T, c *talkerCall) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bye(t, c)
}

// hangUpAll ends all calls.
func (p *talker) hangUpAll(t *testing.T) {
	t.Helper()
	p.each(func(c *talkerCall) {
		if !c.over {
			p.bye(t, c)
		}
	})
}

func (p *talker) bye(t *testing.T, c *talkerCall) {
	t.Helper()
	_, host, _ := strings.Cut(c.target, "@")
	c.over = true
	p.to(strings.Split(host, ";")[0])(p.request(c, "BYE", ""))
}

// talk sends media in all calls, 20 ms a packet.
func (p *talker) talk() {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	packet := make([]byte, 172)
	packet[0], packet[1] = 0x80, 8
	for n := uint32(1); ; n++ {
		select {
		case <-p.stop:
			return
		case <-tick.C:
		}
		wirebytes.BigEndian.PutUint16(packet[2:], uint16(n))
		wirebytes.BigEndian.PutUint32(packet[4:], n*160)
		p.mu.Lock()
		for _, c := range p.calls {
			if c.to != nil && !c.over {
				out := packet
				if p.keyed {
					out = c.keys.seal(packet)
				}
				_, _ = c.media.WriteToUDP(out, c.to) // as lost as on any network
			}
		}
		p.mu.Unlock()
	}
}

// each looks at all calls.
func (p *talker) each(look func(c *talkerCall)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.calls {
		look(c)
	}
}
