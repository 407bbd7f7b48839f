package gate

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/netip"
	"sync"
)

// maxNames bounds what is remembered of names of far ends, and of their certificates.
const maxNames = 10_000

// census counts a listener's connections.
type census struct {
	most int

	mu        sync.Mutex
	all       int
	strangers int
	by        map[netip.Addr]int
}

func newCensus(most int) *census { return &census{most: most, by: map[netip.Addr]int{}} }

// enter counts one more connection, if there is room. Strangers, who may say who they
// are, have half of it together and a little each, so that peers always find some.
func (c *census) enter(from netip.Addr, stranger bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all >= c.most || c.by[from] >= perSource {
		return false
	}
	if stranger {
		if c.strangers >= (c.most+1)/2 || c.by[from] >= perStranger {
			return false
		}
		c.strangers++
	}
	c.all++
	c.by[from]++
	return true
}

func (c *census) leave(from netip.Addr, stranger bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if stranger {
		c.strangers--
	}
	if c.by[from]--; c.by[from] == 0 {
		delete(c.by, from)
	}
}

// peers knows who is at the other end of connections, and opens each only once.
type peers struct {
	mu      sync.Mutex
	names   map[string]string    // by network and address: the name that it was reached by
	secured map[string]*tls.Conn // by remote address
	opening map[string]*opening
}

type opening struct {
	done chan struct{}
	err  error
}

func newPeers() *peers {
	return &peers{names: map[string]string{}, secured: map[string]*tls.Conn{}, opening: map[string]*opening{}}
}

// name is the one that a far end is known by: the one given, unless that is but its
// address and it was reached by a name before.
func (p *peers) name(key, given string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := netip.ParseAddr(given); err != nil || p.names[key] == "" {
		return given
	}
	return p.names[key]
}

// reached remembers the name that a far end has proven to be.
func (p *peers) reached(key, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.names) >= maxNames {
		clear(p.names) // they come again with the next calls
	}
	p.names[key] = name
}

// keep remembers a connection's certificate for as long as it is open.
func (p *peers) keep(s *stream) {
	key := s.RemoteAddr().String()
	secure := s.Conn.(*tls.Conn)
	p.mu.Lock()
	p.secured[key] = secure
	p.mu.Unlock()
	left := s.left
	s.left = func() {
		left()
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.secured[key] == secure {
			delete(p.secured, key)
		}
	}
}

// check refuses to use a connection for a name that its far end has no certificate
// for. One that is known by its address only, or that the far end opened without a
// certificate, is as good as it was.
func (p *peers) check(remote, name string) error {
	if _, err := netip.ParseAddr(name); err == nil {
		return nil
	}
	certificates := p.certificates(remote)
	if len(certificates.PeerCertificates) == 0 {
		return nil
	}
	if err := certificates.PeerCertificates[0].VerifyHostname(name); err != nil {
		return fmt.Errorf("the connection to %s is not one to %q: %w", remote, name, err)
	}
	return nil
}

func (p *peers) certificates(remote string) tls.ConnectionState {
	p.mu.Lock()
	secure := p.secured[remote]
	p.mu.Unlock()
	if secure == nil {
		return tls.ConnectionState{}
	}
	return secure.ConnectionState()
}

// CertifiedAs tells whether a far end has shown, on the connection that a message
// came by, a certificate of an authority of ours that is for a name.
func (l *Listener) CertifiedAs(source, name string) bool {
	state := l.peers.certificates(source)
	return len(state.VerifiedChains) > 0 && state.PeerCertificates[0].VerifyHostname(name) == nil
}

// once opens a connection, while others that want the same one wait for it.
func (p *peers) once(ctx context.Context, key string, open func(context.Context) error) error {
	p.mu.Lock()
	o := p.opening[key]
	if o == nil {
		o = &opening{done: make(chan struct{})}
		p.opening[key] = o
		go func() {
			// Not bound to the first caller's patience: others wait for it, too.
			o.err = open(context.WithoutCancel(ctx))
			p.mu.Lock()
			delete(p.opening, key)
			p.mu.Unlock()
			close(o.done)
		}()
	}
	p.mu.Unlock()
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
		return ctx.Err()
	}
}
