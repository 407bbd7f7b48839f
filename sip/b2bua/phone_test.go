package b2bua

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// phone is a user agent of the tests' own, written from RFC 3261 and apart from the
// stack under test: it sends and repeats requests and answers, and tells its script
// what comes. A script runs under the phone's lock.
type phone struct {
	mu        sync.Mutex
	air       *air
	at        netip.AddrPort
	name      string
	gate      netip.AddrPort // where it heard the switch last
	count     int
	lastAsked time.Time            // when it last sent a request
	sdp       string               // what it says in place of a description
	mine      map[string]*sending  // requests of its own, by branch and method
	theirs    map[string]*answered // requests that came, by branch and method
	calls     map[string]*leg      // by Call-ID
	// onRequest answers a request that is new; onAnswer is told of each final answer.
	onRequest func(l *leg, req *sip.Request)
}

// leg is a phone's dialog.
type leg struct {
	phone          *phone
	id             string
	local, remote  string // tags
	from, to       string // our and their address
	target         string
	seq            int
	version        int
	direction      string    // of the description it writes next
	mine, theirs   string    // directions in force, as it wrote and as it read them
	changed        time.Time // when they came into force
	prackAfter     time.Duration
	prackOffer     string
	early          bool // a change before the answer is in force
	pracked        time.Time
	began, ended   time.Time
	closed         bool // nothing is left of it
	deaf           bool // it acknowledges no 200
	acks           int
	invite         *sending  // its own INVITE in progress
	answering      *answered // an INVITE that it has not answered
	reliable       int
	lastAckWithSDP bool
}

type sending struct {
	leg      *leg
	method   string
	text     string
	branch   string
	seq      int
	rings    bool // a provisional answer has come
	final    bool
	timedOut bool
	wait     time.Duration
	waited   time.Duration
	done     func(res *sip.Response) // nil is no answer at all
}

type answered struct {
	leg   *leg
	req   *sip.Request
	text  string // the last answer
	code  int
	acked bool
	wait  time.Duration
	total time.Duration
}

func newPhone(a *air, name string, at netip.AddrPort) *phone {
	p := &phone{air: a, at: at, name: name, mine: map[string]*sending{}, theirs: map[string]*answered{}, calls: map[string]*leg{}}
	a.parties[at] = p.receive
	return p
}

// after runs fn later, under the lock.
func (p *phone) after(d time.Duration, fn func()) {
	time.AfterFunc(d, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		fn()
	})
}

func (p *phone) transmit(text string) {
	traced(p.name+" >", []byte(text))
	to := p.gate
	if !to.IsValid() {
		to = gateAddr
	}
	p.air.send(p.at, to, []byte(text))
}

func (p *phone) branch() string {
	p.count++
	return fmt.Sprintf("z9hG4bK-%s-%d", p.name, p.count)
}

func (l *leg) description() string {
	if l.phone.sdp != "" {
		return strings.ReplaceAll(l.phone.sdp, "DIRECTION", l.direction)
	}
	return fmt.Sprintf("v=0\r\no=%s 1 %d IN IP4 %s\r\ns=pbx-%s\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio 40000 RTP/AVP 18 8 101\r\na=rtpmap:18 G729/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=%s\r\n",
		l.phone.name, l.version, l.phone.at.Addr(), l.phone.name, l.phone.at.Addr(), l.direction)
}

// describe writes a description, a new version of it where something changes.
func (l *leg) describe(direction string) string {
	if direction != l.direction {
		l.direction = direction
		l.version++
	}
	return l.description()
}

func (l *leg) text(method, branch string, seq int, headers, body string) string {
	to := "<" + l.to + ">"
	if l.remote != "" {
		to += ";tag=" + l.remote
	}
	if body != "" && !strings.Contains(headers, "Content-Type") {
		headers += "Content-Type: application/sdp\r\n"
	}
	return fmt.Sprintf("%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=%s;rport\r\nFrom: <%s>;tag=%s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\n"+
		"Contact: <sip:%s@%s>\r\nMax-Forwards: 70\r\nAllow: INVITE, ACK, CANCEL, BYE, UPDATE, PRACK, INFO\r\n%sContent-Length: %d\r\n\r\n%s",
		method, l.target, l.phone.at, branch, l.from, l.local, to, l.id, seq, method, l.phone.name, l.phone.at, headers, len(body), body)
}

// request sends the dialog's next request.
func (l *leg) request(method, headers, body string, done func(*sip.Response)) *sending {
	l.seq++
	return l.submit(method, l.phone.branch(), l.seq, headers, body, done)
}

func (l *leg) submit(method, branch string, seq int, headers, body string, done func(*sip.Response)) *sending {
	s := &sending{
		leg: l, method: method, branch: branch, seq: seq, wait: sip.T1, done: done,
		text: l.text(method, branch, seq, headers, body),
	}
	if method == "INVITE" {
		l.invite = s
	}
	l.phone.mine[branch+method] = s
	if method != "BYE" {
		l.phone.lastAsked = time.Now()
	}
	l.phone.transmit(s.text)
	s.again()
	return s
}

func (s *sending) again() {
	wait := s.wait
	s.leg.phone.after(wait, func() {
		if s.final || s.method == "INVITE" && s.rings {
			return
		}
		if s.waited += wait; s.waited >= 64*sip.T1 {
			s.timedOut = true
			s.conclude(nil)
			return
		}
		s.leg.phone.transmit(s.text)
		if s.wait *= 2; s.method != "INVITE" {
			s.wait = min(s.wait, sip.T2)
		}
		s.again()
	})
}

func (s *sending) conclude(res *sip.Response) {
	s.final = true
	if s.leg.invite == s {
		s.leg.invite = nil
	}
	if s.done != nil {
		s.done(res)
	}
}

// cancel takes an INVITE back; it waits for a provisional answer.
func (s *sending) cancel() {
	if s.final {
		return
	}
	if !s.rings {
		s.leg.phone.after(100*time.Millisecond, s.cancel)
		return
	}
	s.leg.submit("CANCEL", s.branch, s.seq, "Reason: Q.850;cause=31\r\n", "", nil)
}

func (l *leg) bye() {
	if l.closed {
		return
	}
	l.close()
	l.request("BYE", "Reason: SIP;cause=200, Q.850;cause=27;text=\"gone\"\r\n", "", nil)
}

func (l *leg) close() {
	if !l.closed {
		l.closed, l.ended = true, time.Now()
	}
}

// receive takes a datagram.
func (p *phone) receive(from netip.AddrPort, data []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gate = from
	traced(p.name+" <", data)
	m, err := sip.ParseMessage(data)
	if err != nil {
		panic(fmt.Sprintf("the switch sent what cannot be read: %v\n%s", err, data))
	}
	switch m := m.(type) {
	case *sip.Response:
		p.response(m)
	case *sip.Request:
		p.request(m)
	}
}

func (p *phone) response(res *sip.Response) {
	branch, _ := res.Via().Params.Get("branch")
	s := p.mine[branch+string(res.CSeq().MethodName)]
	if s == nil {
		return
	}
	if res.IsProvisional() {
		s.rings = true
		s.prack(res)
		return
	}
	if s.method == "INVITE" {
		s.acknowledge(res)
	}
	if !s.final {
		s.settle(res)
		if tag, _ := res.To().Params.Get("tag"); s.method == "INVITE" && res.IsSuccess() {
			s.leg.remote = tag
			s.leg.target = res.Contact().Address.String()
		}
		s.conclude(res)
	}
}

// settle puts an offer of the phone's into force, or takes it back.
func (s *sending) settle(res *sip.Response) {
	l := s.leg
	if s.method == "INVITE" && l.early && l.began.IsZero() {
		return // the session is what the change made it (RFC 6337, section 3.1.1)
	}
	if !strings.Contains(s.text, "m=audio") || s.method != "INVITE" && s.method != "UPDATE" && s.method != "PRACK" {
		if s.method == "INVITE" && res.IsSuccess() { // its answer goes with the ACK
			l.agree(answering(string(res.Body())), directionOf(string(res.Body())))
		}
		return
	}
	if res.IsSuccess() {
		l.early = l.early || l.began.IsZero() && s.method != "INVITE"
		l.agree(directionOf(s.text), directionOf(string(res.Body())))
	} else if l.direction = "sendrecv"; l.mine != "" {
		l.direction = l.mine
	}
}

func (l *leg) agree(mine, theirs string) {
	l.mine, l.theirs, l.direction, l.changed = mine, theirs, mine, time.Now()
}

// directionOf reads a description's direction.
func directionOf(text string) string {
	for _, d := range []string{"sendonly", "recvonly", "inactive"} {
		if strings.Contains(text, "a="+d) {
			return d
		}
	}
	return "sendrecv"
}

// prack acknowledges a provisional answer that asks for it.
func (s *sending) prack(res *sip.Response) {
	number := 0
	if h := res.GetHeader("RSeq"); h != nil {
		fmt.Sscan(h.Value(), &number)
	}
	if number <= s.leg.reliable {
		return
	}
	s.leg.reliable = number
	l := s.leg
	l.remote, _ = res.To().Params.Get("tag")
	l.target = res.Contact().Address.String()
	if l.prackAfter < 0 {
		return
	}
	l.phone.after(l.prackAfter, func() {
		if l.closed {
			return
		}
		l.pracked = time.Now()
		body := ""
		if l.prackOffer != "" && l.direction != l.prackOffer && len(res.Body()) > 0 {
			body = l.describe(l.prackOffer)
		}
		l.request("PRACK", fmt.Sprintf("RAck: %d %d INVITE\r\n", number, s.seq), body, nil)
	})
}

func (s *sending) acknowledge(res *sip.Response) {
	l := s.leg
	if !res.IsSuccess() {
		ack := *l
		ack.remote, _ = res.To().Params.Get("tag")
		first, _, _ := strings.Cut(s.text, " SIP/2.0")
		ack.target = strings.TrimPrefix(first, "INVITE ")
		l.phone.transmit(ack.text("ACK", s.branch, s.seq, "", ""))
		return
	}
	if l.deaf {
		return
	}
	ack := *l
	ack.remote, _ = res.To().Params.Get("tag")
	ack.target = res.Contact().Address.String()
	body := ""
	if !strings.Contains(s.text, "m=audio") {
		body = l.describe(answering(string(res.Body())))
	}
	l.phone.transmit(ack.text("ACK", s.branch+"-ack", s.seq, "", body))
}
