package gate

import (
	"net/netip"
	"testing"

	"github.com/emiago/sipgo/sip"
)

func TestHidden(t *testing.T) {
	for _, c := range []struct {
		host, source string
		want         bool
	}{
		{"10.0.0.5", "198.51.100.7:1024", true}, {"192.168.1.2", "198.51.100.7:5060", true}, {"100.64.1.1", "198.51.100.7:5060", true},
		{"[fd00::1]", "[2001:db8::1]:5060", true}, {"198.51.100.8", "198.51.100.7:5060", false}, {"10.0.0.5", "10.0.0.6:5060", false},
		{"10.0.0.5", "127.0.0.1:5060", false}, {"phone.invalid", "198.51.100.7:5060", false}, {"10.0.0.5", "", false},
	} {
		if got := Hidden(c.host, c.source); got != c.want {
			t.Errorf("%s heard from %s: %v", c.host, c.source, got)
		}
	}
}

func TestAnswersGoBackThroughTheRouter(t *testing.T) {
	from := netip.MustParseAddrPort("198.51.100.7:1024")
	for _, c := range []struct{ via, want string }{
		{"10.0.0.5:5070", "198.51.100.7:1024"}, {"198.51.100.7:5070", "198.51.100.7:5070"},
		{"198.51.100.7", "198.51.100.7:5060"}, {"host.invalid:5070;rport", "198.51.100.7:1024"},
		{"198.51.100.9:5070", "198.51.100.7:5070"}, {"host.invalid:99999", "198.51.100.7:5060"},
	} {
		msg, err := sip.ParseMessage([]byte("OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP " + c.via + ";branch=z9hG4bK1\r\n\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		if got := replyTo(msg.(*sip.Request), from).String(); got != c.want {
			t.Errorf("via %s: to %s, want %s", c.via, got, c.want)
		}
	}
}
