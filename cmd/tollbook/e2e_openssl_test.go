package main_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestOpenSSL has a program that is not ours shake hands: versions, names, and a
// certificate by which a customer is known.
func TestOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("SKIPPED: openssl is not installed")
	}
	t.Parallel()
	nw, certs := newNetwork(), newAuthority(t)
	certs.write(t, "switch", nw.ip(1))
	certs.write(t, "caller", "caller.test")
	certs.write(t, "other", "other.test")
	n := serveOn(t, nw, t.TempDir(), fmt.Sprintf("sip:\n  - {name: default, address: %[1]s, udp: %[2]d, tls: %[3]d, certificate: %[4]s/switch.pem, key: %[4]s/switch.key, authorities: %[4]s/ca.pem}\n",
		nw.ip(1), nw.port(), nw.port()+1, certs.dir))
	s := &stage{name: "certified", credit: "5", sell: sellPrice, buy: buyPrice, vendors: []string{""}}
	n.apply(t, strings.Replace(world(n, []*stage{s}), "/32]}", "/32], certificate: caller.test}", 1))
	n.credit(t, s.account(), s.credit, "opening")
	ca := []string{"-CAfile", certs.dir + "/ca.pem", "-verify_return_error"}
	with := func(name string) []string {
		return []string{"-cert", certs.dir + "/" + name + ".pem", "-key", certs.dir + "/" + name + ".key"}
	}
	for _, c := range []struct {
		name string
		args []string
		want string // in what openssl says
	}{
		{"TLS 1.3", []string{"-tls1_3"}, "TLSv1.3"},
		{"TLS 1.2", []string{"-tls1_2"}, "TLSv1.2"},
		{"a name that is not ours", []string{"-servername", "elsewhere.test"}, "Verify return code: 0"},
		{"TLS 1.1", []string{"-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"}, "alert protocol version"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := s.openssl(t, append(append([]string{}, ca...), c.args...), "").rest(t)
			if !strings.Contains(out, c.want) || c.want[0] != 'a' && !strings.Contains(out, "Verify return code: 0 (ok)") {
				t.Errorf("openssl says\n%s", out)
			}
		})
	}
	caller := &socket{nil, s.customerIP(), nw.port()}
	invite := func(id string) string {
		return other(strings.Replace(caller.request("INVITE", s, id, 1, ""), "SIP/2.0/UDP", "SIP/2.0/TLS", 1), id)
	}
	for name, args := range map[string][]string{"none": nil, "other": with("other")} {
		t.Run("certificate: "+name, func(t *testing.T) {
			k := s.openssl(t, append(append([]string{"-quiet"}, ca...), args...), invite(name))
			if m := message(t, k.read, "SIP/2.0 403"); !strings.HasPrefix(m, "SIP/2.0 403") {
				t.Errorf("the call is answered\n%s", m)
			}
		})
	}
	t.Run("certificate: the customer's", func(t *testing.T) {
		vendor := s.hears(t, s.vendorIP(0))
		k := s.openssl(t, append(append([]string{"-quiet"}, ca...), with("caller")...), invite("own"))
		asked := vendor.must(t, "INVITE")
		vendor.says(t, nw, vendor.answers(asked, "486 Busy Here", false))
		vendor.must(t, "ACK")
		for m := ""; !strings.HasPrefix(m, "SIP/2.0 486"); {
			if m = message(t, k.read, "SIP/2.0 486"); !strings.HasPrefix(m, "SIP/2.0 1") && !strings.HasPrefix(m, "SIP/2.0 486") {
				t.Fatalf("the call is answered\n%s", m)
			}
		}
		legs(t, s.settled(t, s.filter(), 2), 486, 486)
	})
	n.interrupt(t)
	verify(t, n.data)
}

// tunnel is openssl s_client on the way to the switch.
type tunnel struct {
	in   io.WriteCloser
	read *bufio.Reader
}

// openssl connects as the customer's address and says something.
func (s *stage) openssl(t *testing.T, args []string, says string) *tunnel {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	at := fmt.Sprintf("%s:%d", s.net.ip(1), s.net.port()+1)
	cmd := exec.CommandContext(ctx, "openssl", append([]string{"s_client", "-connect", at, "-bind", s.customerIP() + ":0"}, args...)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if strings.Contains(strings.Join(args, " "), "-quiet") {
		cmd.Stderr = nil // it tells of the certificate there
	}
	cmd.WaitDelay = time.Second
	if err := begin(cmd); err != nil {
		t.Fatal(err)
	}
	go func() { w.CloseWithError(cmd.Wait()) }()
	if _, err := io.WriteString(in, strings.ReplaceAll(says, "\n", "\r\n")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_, _ = io.Copy(io.Discard, r) // until it has ended
	})
	return &tunnel{in, bufio.NewReader(r)}
}

// rest ends the connection and is all that openssl had to say.
func (k *tunnel) rest(t *testing.T) string {
	t.Helper()
	if err := k.in.Close(); err != nil {
		t.Error(err)
	}
	var out strings.Builder
	for {
		line, err := k.read.ReadString('\n')
		if out.WriteString(line); err != nil {
			return out.String()
		}
	}
}
