// Package zone answers for a domain of DNS whose records are the nodes of a cluster:
// whoever looks the domain up as RFC 3263 says finds those that take calls now, more
// often those with more room.
//
// It knows this one domain only, asks nobody else, and answers no address more often
// than is good for others.
package zone

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/tollbook/tollbook/events/wire"
)

const (
	// negative is how long others may remember that there is no such name, in seconds.
	negative = 5
	// mostRecords bounds the addresses of one answer.
	mostRecords = 8
	// mostUDP is the longest answer over UDP, which passes everywhere in one piece.
	mostUDP = 1232
	// mostStreams bounds the questions of one connection, idle ends it.
	mostStreams = 64
	idle        = 5 * time.Second
)

// Node is one that takes calls now.
type Node struct {
	Name string
	// Free is how many more calls it can take.
	Free int
	// Place is where it takes them.
	Place *wire.NodePlace
}

// Config is what a Server works with. All but Log is required.
type Config struct {
	// Name is the domain, as sip.example.net.
	Name string
	// TTL is how long answers may be remembered, in whole seconds.
	TTL time.Duration
	// Nodes are those that take calls now. It is asked for each question.
	Nodes func() []Node
	Log   *slog.Logger
}

// Server answers until it is closed.
type Server struct {
	config  Config
	origin  string // the domain, ending with a dot, in small letters
	pace    *pace
	servers []*dns.Server
}

// Open binds the addresses, for UDP and TCP each, and answers.
func Open(c Config, at []netip.AddrPort) (*Server, error) {
	s := New(c)
	for _, a := range at {
		if err := s.listen(a); err != nil {
			return nil, errors.Join(fmt.Errorf("answer for %s at %s: %w", c.Name, a, err), s.Close())
		}
	}
	return s, nil
}

// New makes a server without sockets.
func New(c Config) *Server {
	return &Server{config: c, origin: strings.ToLower(dns.Fqdn(c.Name)), pace: newPace()}
}

func (s *Server) listen(at netip.AddrPort) error {
	packets, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return err
	}
	streams, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return errors.Join(err, packets.Close())
	}
	for _, d := range []*dns.Server{
		{PacketConn: packets, Handler: s, UDPSize: mostUDP},
		{Listener: streams, Handler: s, MaxTCPQueries: mostStreams, ReadTimeout: idle, WriteTimeout: idle, IdleTimeout: func() time.Duration { return idle }},
	} {
		ready := make(chan struct{})
		d.NotifyStartedFunc = func() { close(ready) }
		s.servers = append(s.servers, d)
		go func() {
			if err := d.ActivateAndServe(); err != nil && !errors.Is(err, net.ErrClosed) {
				s.config.Log.Error("DNS has stopped", "at", at.String(), "err", err)
			}
		}()
		<-ready
	}
	return nil
}

// Close closes the sockets.
func (s *Server) Close() error {
	var err error
	for _, d := range s.servers {
		err = errors.Join(err, d.Shutdown())
	}
	return err
}

// ServeDNS answers one message.
func (s *Server) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	from, _ := netip.ParseAddrPort(w.RemoteAddr().String())
	_, udp := w.RemoteAddr().(*net.UDPAddr)
	answer := s.Answer(q)
	if udp {
		switch s.pace.ask(from.Addr(), time.Now()) {
		case silent:
			return
		case short: // who is not made up comes again over TCP
			answer.Answer, answer.Ns, answer.Extra, answer.Truncated = nil, nil, nil, true
		}
		size := dns.MinMsgSize
		if o := q.IsEdns0(); o != nil {
			size = min(max(size, int(o.UDPSize())), mostUDP)
		}
		answer.Truncate(size)
	}
	if err := w.WriteMsg(answer); err != nil {
		s.config.Log.Debug("an answer of DNS could not be sent", "to", from.String(), "err", err)
	}
}

// Answer makes the answer to a message.
func (s *Server) Answer(q *dns.Msg) *dns.Msg {
	a := new(dns.Msg)
	a.SetReply(q)
	if o := q.IsEdns0(); o != nil {
		a.SetEdns0(mostUDP, false)
		if o.Version() != 0 {
			a.Rcode = dns.RcodeBadVers
			return a
		}
	}
	switch {
	case q.Opcode != dns.OpcodeQuery:
		a.Rcode = dns.RcodeNotImplemented
		return a
	case len(q.Question) != 1:
		a.Rcode = dns.RcodeFormatError
		return a
	}
	asked := q.Question[0]
	name := strings.ToLower(asked.Name)
	if asked.Qclass != dns.ClassINET || !dns.IsSubDomain(s.origin, name) {
		a.Rcode = dns.RcodeRefused
		return a
	}
	a.Authoritative = true
	r := s.records()
	here := r.of[strings.TrimSuffix(strings.TrimSuffix(name, s.origin), ".")]
	for _, rr := range here.answer(asked.Qtype) {
		c := dns.Copy(rr)
		c.Header().Name = asked.Name // in the letters of the question
		a.Answer = append(a.Answer, c)
	}
	switch {
	case here == nil && !r.above(strings.TrimSuffix(name, s.origin)):
		a.Rcode = dns.RcodeNameError
		a.Ns = []dns.RR{r.soa}
	case len(a.Answer) == 0:
		a.Ns = []dns.RR{r.soa}
	default:
		a.Extra = append(r.addresses(a.Answer), a.Extra...)
	}
	return a
}
