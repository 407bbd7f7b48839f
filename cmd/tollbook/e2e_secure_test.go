package main_test

import (
	"bufio"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/pion/srtp/v3"
)

// keys are those of one call's media (RFC 4568, AES_CM_128_HMAC_SHA1_80): ours and the
// switch's.
type keys struct {
	mine, theirs []byte
	out, in      *srtp.Context
}

const suite = "AES_CM_128_HMAC_SHA1_80"

var cryptoLine = regexp.MustCompile(`(?m)^a=crypto:\d+ ` + suite + ` inline:([A-Za-z0-9+/=]+)`)

// draw makes our own.
func (k *keys) draw() {
	k.mine = make([]byte, 30)
	_, _ = rand.Read(k.mine) // which never fails
	k.out, _ = sealing(k.mine)
}

func sealing(key []byte) (*srtp.Context, error) {
	return srtp.CreateContext(key[:16], key[16:], srtp.ProtectionProfileAes128CmHmacSha1_80)
}

func (k *keys) line() string {
	if k.mine == nil {
		return ""
	}
	return "a=crypto:1 " + suite + " inline:" + base64.StdEncoding.EncodeToString(k.mine) + "\n"
}

// meet takes the switch's key out of a description.
func (k *keys) meet(m string) {
	line := cryptoLine.FindStringSubmatch(m)
	if line == nil {
		return
	}
	key, err := base64.StdEncoding.DecodeString(line[1])
	if err == nil && len(key) == 30 && string(key) != string(k.theirs) {
		k.theirs = key
		k.in, _ = sealing(key)
	}
}

func (k *keys) seal(packet []byte) []byte {
	out, err := k.out.EncryptRTP(nil, packet, nil)
	if err != nil {
		return nil
	}
	return out
}

// opens says whether a packet is one that the switch encrypted for us.
func (k *keys) opens(packet []byte) bool {
	if k.in == nil {
		return false
	}
	_, err := k.in.DecryptRTP(nil, packet, nil)
	return err == nil
}

// streams carry the SIP of a talker by TCP or TLS.
type streams struct {
	name string // as in a Via
	take func(m string, back path)
	tls  *tls.Config
	ip   string
	stop chan struct{}

	mu    sync.Mutex
	conns map[string]net.Conn // by the other end's address
}

// newWired begins to listen at an address, by TLS if it has a configuration.
func newWired(t *testing.T, ip string, port int, config *tls.Config) *talker {
	t.Helper()
	at := fmt.Sprintf("%s:%d", ip, port)
	p := &talker{opens: here, ip: ip, port: port, stop: make(chan struct{}), calls: map[string]*talkerCall{}}
	p.wire = &streams{name: "TCP", take: p.take, tls: config, ip: ip, stop: p.stop, conns: map[string]net.Conn{}}
	listener, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	if config != nil {
		p.wire.name, listener = "TLS", tls.NewListener(listener, config)
	}
	p.done.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			p.wire.read(conn)
		}
	})
	p.begins(t)
	t.Cleanup(func() {
		listener.Close()
		p.wire.mu.Lock()
		defer p.wire.mu.Unlock()
		for _, c := range p.wire.conns {
			c.Close()
		}
	})
	return p
}

// to is the way to an address, on a connection that is there or a new one.
func (s *streams) to(at string) path {
	s.mu.Lock()
	conn := s.conns[at]
	s.mu.Unlock()
	if conn == nil {
		d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(s.ip)}}
		var err error
		if s.tls != nil {
			conn, err = tls.DialWithDialer(d, "tcp", at, s.tls)
		} else {
			conn, err = d.Dial("tcp", at)
		}
		if err != nil {
			return func(string) {} // as lost as on any network
		}
		s.read(conn)
	}
	return func(message string) {
		_, _ = io.WriteString(conn, strings.ReplaceAll(message, "\n", "\r\n"))
	}
}

// read takes what comes on a connection until it ends.
func (s *streams) read(conn net.Conn) {
	at := conn.RemoteAddr().String()
	s.mu.Lock()
	s.conns[at] = conn
	s.mu.Unlock()
	go func() {
		defer func() {
			s.mu.Lock()
			delete(s.conns, at)
			s.mu.Unlock()
			conn.Close()
		}()
		in := textproto.NewReader(bufio.NewReader(conn))
		for {
			text, length := "", 0
			for {
				line, err := in.ReadLine()
				if err != nil {
					return
				}
				if line == "" && text == "" {
					continue // between messages
				}
				text += line + "\n"
				if digits, ok := strings.CutPrefix(line, "Content-Length: "); ok {
					length, _ = strconv.Atoi(digits)
				}
				if line == "" {
					break
				}
			}
			body := make([]byte, length)
			if _, err := io.ReadFull(in.R, body); err != nil {
				return
			}
			s.take(text+strings.ReplaceAll(string(body), "\r\n", "\n"), func(m string) {
				_, _ = io.WriteString(conn, strings.ReplaceAll(m, "\n", "\r\n"))
			})
		}
	}()
}

// TestClusterEncrypted kills a node with calls between a customer by TCP and a vendor by
// TLS, with encrypted media: another one goes on with them over connections of its own and
// with new keys.
func TestClusterEncrypted(t *testing.T) {
	needCluster(t)
	const calls = 4
	certs, nw := newAuthority(t), newNetwork()
	for name, number := range last {
		certs.write(t, name, nw.ip(number))
	}
	g := newGroupOf(t, nw, "", func(g *group, name string) string {
		return fmt.Sprintf("sip:\n  - {name: default, address: %[1]s, udp: %[2]d, tcp: %[2]d, tls: %[3]d, certificate: %[4]s/%[5]s.pem, key: %[4]s/%[5]s.key, authorities: %[4]s/ca.pem}\n",
			nw.ip(last[name]), nw.port(), nw.port()+2, certs.dir, name)
	})
	g.start(t, "n1", "n2", "n3")
	s := &surviving{group: g, stage: &stage{
		name: "encrypted", sell: sellPrice, buy: buyPrice, vendors: []string{", host: 127.0.0.1, port: 1, transport: tls, sip: {srtp: require}"},
	}}
	first := g.nodes["n1"]
	text := world(first, []*stage{s.stage})
	text = strings.Replace(text, "host: 127.0.0.1, port: 1,", fmt.Sprintf("host: %s, port: %d,", s.vendorIP(0), nw.port()+1), 1)
	first.apply(t, text)
	first.credit(t, s.account(), "20", "opening")
	for _, n := range g.nodes {
		until(t, "each node knows the account", func() bool { return n.has(t, s.account()) })
	}
	g.agrees(t, 3)
	certs.write(t, "vendor", s.vendorIP(0))
	s.caller = newWired(t, s.customerIP(), nw.port(), nil)
	s.vendor = newWired(t, s.vendorIP(0), nw.port()+1, certs.config(t, "vendor"))
	s.vendor.keyed = true
	s.place(t, calls, last["n2"])
	before := map[string]string{}
	s.vendor.each(func(c *talkerCall) { before[c.id] = string(c.keys.theirs) })
	s.nodes["n2"].kill(t)
	moved(t, s.vendor, calls)
	moved(t, s.caller, calls)
	s.vendor.each(func(c *talkerCall) {
		if before[c.id] == "" || before[c.id] == string(c.keys.theirs) {
			t.Errorf("call %s: a key is used by two nodes", c.id)
		}
	})
	gap := talks(t, s.caller, s.vendor)
	s.end(t)
	s.billed(t, s.others("n2"), calls, answered(t))
	t.Logf("media was silent for %v", gap)
}
