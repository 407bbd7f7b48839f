package gate

import (
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

// heardTx keeps what is answered.
type heardTx struct {
	sip.ServerTransaction
	res *sip.Response
}

func (h *heardTx) Respond(res *sip.Response) error {
	h.res = res
	return nil
}

func TestAnswersGoBackThroughTheRouter(t *testing.T) {
	for via, want := range map[string]string{"10.0.0.5": "198.51.100.7:1024", "198.51.100.7": "elsewhere:1"} {
		req := sip.NewRequest(sip.OPTIONS, sip.Uri{Scheme: "sip", Host: "x"})
		req.AppendHeader(&sip.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: "UDP", Host: via, Port: 5060})
		req.SetTransport("UDP")
		req.SetSource("198.51.100.7:1024")
		h := &heardTx{}
		a := &arrival{ServerTransaction: h, back: back(req)}
		res := sip.NewResponse(200, "OK")
		res.SetDestination("elsewhere:1")
		if err := a.Respond(res); err != nil || h.res.Destination() != want {
			t.Errorf("via %s: to %s, want %s", via, h.res.Destination(), want)
		}
	}
}
