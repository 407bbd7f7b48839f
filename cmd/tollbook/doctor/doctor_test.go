package doctor

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollbook/tollbook/cmd/tollbook/node"
)

// healthy is a configuration that nothing stops here.
func healthy(t *testing.T) node.Config {
	t.Helper()
	c := node.Default()
	c.Data = filepath.Join(t.TempDir(), "not", "there", "yet")
	c.HTTP = "127.0.0.1:0"
	c.SIP = node.ListenOn("127.0.0.1:" + freePort(t))
	c.Media.Ports = "20000-20999"
	return c
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func (r *Report) of(check string) *Finding {
	for i := range r.Findings {
		if r.Findings[i].Check == check {
			return &r.Findings[i]
		}
	}
	return nil
}

func TestHealthy(t *testing.T) {
	c := healthy(t)
	r := Examine(t.Context(), c, nil)
	if !r.OK || r.Stops() != 0 {
		t.Errorf("%+v", r)
	}
	for _, check := range []string{"version", "configuration", "sip.udp", "sip.tcp", "http", "media.engine", "media.epoll", "files", "media.ports",
		"udp.buffer", "data.sync", "data.space", "clock", "dns"} {
		f := r.of(check)
		if check == "media.epoll" && strings.HasPrefix(r.of("media.engine").Text, "epoll") {
			continue // it is the one that runs
		}
		if f == nil || f.Text == "" {
			t.Errorf("%s: %+v", check, f)
		}
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(filepath.Dir(c.Data))), ".tollbook-doctor-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestWhatStopsTheSwitch(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for check, edit := range map[string]func(c *node.Config){
		"http":          func(c *node.Config) { c.HTTP = taken.Addr().String() },
		"sip.udp":       func(c *node.Config) { c.SIP = node.ListenOn("192.0.2.77:5060") },
		"configuration": func(c *node.Config) { c.Media.Ports = "20000" },
		"media.engine":  func(c *node.Config) { c.Media.Address = node.Addresses{"192.0.2.77"} },
		"data":          func(c *node.Config) { c.Data = filepath.Join(file, "data") },
	} {
		c := healthy(t)
		edit(&c)
		r := Examine(t.Context(), c, nil)
		f := r.of(check)
		if r.OK || f == nil || f.Level != Stop {
			t.Errorf("%s: %+v", check, f)
		}
		for _, f := range r.Findings {
			if f.Level != OK && f.Mend == "" {
				t.Errorf("no mend: %+v", f)
			}
		}
	}
}

func TestWhatTroublesTheSwitch(t *testing.T) {
	for check, edit := range map[string]func(c *node.Config){
		"media.ports": func(c *node.Config) { c.Media.Ports = "20000-20099" },
		"files":       func(c *node.Config) { c.MaxCalls = 1 << 40 },
		"dns":         func(c *node.Config) { c.DNS = []string{"127.0.0.1:9"} }, // nobody answers there
	} {
		c := healthy(t)
		edit(&c)
		r := Examine(t.Context(), c, []string{"vendor.invalid"})
		if f := r.of(check); !r.OK || f == nil || f.Level != Warn || f.Mend == "" {
			t.Errorf("%s: %+v", check, f)
		}
	}
}

func TestSpans(t *testing.T) {
	for list, want := range map[string]bool{
		"": false, "20000-39999": true, "53,20000-40000": true, "20000": false, "20001-39999": false, "x-y": false,
	} {
		if got := covers(list, 20000, 39999); got != want {
			t.Errorf("%q covers: %v", list, got)
		}
	}
	if low, high, ok := span2("32768\t60999"); !ok || low != 32768 || high != 60999 {
		t.Error(low, high, ok)
	}
}
