package transaction

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
)

// line is a way that notes what goes out, and when.
type line struct {
	mu       sync.Mutex
	reliable bool
	start    time.Time
	sent     []string // "seconds first-line"
}

func (l *line) Reliable() bool { return l.reliable }

func (l *line) Write(b []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	first, _, _ := strings.Cut(string(b), "\r\n")
	l.sent = append(l.sent, fmt.Sprintf("%.1f %s", time.Since(l.start).Seconds(), first))
	return nil
}

// take gives what went out since it was last asked.
func (l *line) take() string {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	out := strings.Join(l.sent, "\n")
	l.sent = nil
	return out
}

// bench is a layer under test.
type bench struct {
	*Layer
	t       *testing.T
	line    *line
	handled []string
	acks    int
	stray   int
	handle  func(*sip.Request, *Server)
}

// try runs a test in a time of its own, which ends with nothing left in the layer.
func try(t *testing.T, reliable bool, fn func(*bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{t: t, line: &line{reliable: reliable, start: time.Now()}}
		b.Layer = New(Config{
			Request: func(req *sip.Request, tx *Server) {
				b.handled = append(b.handled, string(req.Method))
				if b.handle != nil {
					b.handle(req, tx)
				}
			},
			Ack:    func(*sip.Request) { b.acks++ },
			Stray:  func(*sip.Response) { b.stray++ },
			Unsent: func(err error) { t.Error(err) },
		})
		fn(b)
		time.Sleep(2 * Life)
		if servers, clients := b.Len(); servers+clients != 0 {
			t.Errorf("left behind: %d that came, %d that were sent", servers, clients)
		}
	})
}

func (b *bench) want(what, want string) {
	b.t.Helper()
	if got := b.line.take(); got != want {
		b.t.Errorf("%s: went out\n%s\nwant\n%s", what, got, want)
	}
}

// hear gives the layer a message.
func (b *bench) hear(text string) {
	b.t.Helper()
	msg, err := sip.ParseMessage([]byte(strings.ReplaceAll(text, "\n", "\r\n") + "\r\n\r\n"))
	if err != nil {
		b.t.Fatal(err)
	}
	msg.SetTransport("UDP")
	msg.SetSource("192.0.2.1:5060")
	b.Receive(msg, b.line)
	synctest.Wait()
}

func request(method, branch string) string {
	return fmt.Sprintf("%s sip:x@y SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=%s\nFrom: <sip:a@b>;tag=1\nTo: <sip:x@y>\nCall-ID: c\nCSeq: 1 %s\nMax-Forwards: 70\nContent-Length: 0",
		method, branch, method)
}

func response(code int, method, branch, tag string) string {
	return fmt.Sprintf("SIP/2.0 %d Reason\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=%s\nFrom: <sip:a@b>;tag=1\nTo: <sip:x@y>;tag=%s\nCall-ID: c\nCSeq: 1 %s\nContent-Length: 0",
		code, branch, tag, method)
}

func (b *bench) send(method string) *Client {
	b.t.Helper()
	msg, err := sip.ParseMessage([]byte(strings.ReplaceAll(request(method, "z9hG4bKours"), "\n", "\r\n") + "\r\n\r\n"))
	if err != nil {
		b.t.Fatal(err)
	}
	tx, err := b.Request(msg.(*sip.Request), b.line)
	if err != nil {
		b.t.Fatal(err)
	}
	return tx
}

// answers gives a handler that answers with codes, in order.
func (b *bench) answers(codes ...int) {
	b.handle = func(req *sip.Request, tx *Server) {
		for _, code := range codes {
			if err := tx.Respond(sip.NewResponseFromRequest(req, code, "Reason", nil)); err != nil {
				b.t.Error(err)
			}
		}
	}
}

// A request is handled once; one that comes again gets the same answer for as long as
// it may, and no handler.
func TestRepeatedRequest(t *testing.T) {
	try(t, false, func(b *bench) {
		b.answers(200)
		b.hear(request("BYE", "z9hG4bK1"))
		b.want("first", "0.0 SIP/2.0 200 Reason")
		time.Sleep(Life - time.Second)
		b.hear(request("BYE", "z9hG4bK1"))
		b.want("again", "31.0 SIP/2.0 200 Reason")
		b.hear(request("BYE", "z9hG4bK2"))
		b.want("another branch", "31.0 SIP/2.0 200 Reason")
		if len(b.handled) != 2 {
			t.Errorf("handled: %v", b.handled)
		}
		time.Sleep(2 * time.Second)
		b.hear(request("BYE", "z9hG4bK1"))
		if len(b.handled) != 3 {
			t.Errorf("after its life: %v", b.handled)
		}
	})
}

// Over a stream nothing comes twice, and nothing is kept for it.
func TestStreamKeepsNothing(t *testing.T) {
	try(t, true, func(b *bench) {
		b.answers(200)
		b.hear(request("BYE", "z9hG4bK1"))
		if servers, _ := b.Len(); servers != 0 {
			t.Error("a finished transaction is kept")
		}
	})
}

// Requests of far ends of RFC 2543 are told apart without a branch.
func TestWithoutBranch(t *testing.T) {
	try(t, false, func(b *bench) {
		b.answers(200)
		for range 2 {
			b.hear(strings.Replace(request("BYE", "x"), ";branch=x", "", 1))
		}
		b.hear(strings.Replace(request("OPTIONS", "x"), ";branch=x", "", 1))
		if fmt.Sprint(b.handled) != "[BYE OPTIONS]" {
			t.Errorf("handled: %v", b.handled)
		}
	})
}

// A request that nobody answers is forgotten when its handler returns.
func TestUnanswered(t *testing.T) {
	try(t, false, func(b *bench) {
		b.hear(request("INFO", "z9hG4bK1"))
		if servers, _ := b.Len(); servers != 0 {
			t.Error("an unanswered request is kept")
		}
	})
}

// A refusal of an INVITE is repeated until its ACK, which stops it.
func TestRefusalIsRepeated(t *testing.T) {
	try(t, false, func(b *bench) {
		b.answers(100, 486)
		b.hear(request("INVITE", "z9hG4bK1"))
		b.want("answers", "0.0 SIP/2.0 100 Reason\n0.0 SIP/2.0 486 Reason")
		time.Sleep(4 * time.Second)
		b.want("repetitions", "0.5 SIP/2.0 486 Reason\n1.5 SIP/2.0 486 Reason\n3.5 SIP/2.0 486 Reason")
		b.hear(request("INVITE", "z9hG4bK1"))
		b.want("again", "4.0 SIP/2.0 486 Reason")
		b.hear(request("ACK", "z9hG4bK1"))
		b.hear(request("INVITE", "z9hG4bK1")) // overtaken by its ACK
		time.Sleep(4 * time.Second)
		b.hear(request("ACK", "z9hG4bK1"))
		b.want("acknowledged", "")
		if len(b.handled) != 1 || b.acks != 0 {
			t.Errorf("handled %v, %d ACKs", b.handled, b.acks)
		}
	})
}

// One that is never acknowledged is given up.
func TestRefusalWithoutAck(t *testing.T) {
	for _, reliable := range []bool{false, true} {
		try(t, reliable, func(b *bench) {
			b.answers(486)
			b.hear(request("INVITE", "z9hG4bK1"))
			time.Sleep(2 * Life)
			want := 11 // at 0, .5, 1.5, 3.5, and every 4 s up to 31.5
			if reliable {
				want = 1
			}
			if got := len(strings.Split(b.line.take(), "\n")); got != want {
				t.Errorf("reliable %v: sent %d times, want %d", reliable, got, want)
			}
		})
	}
}

// A 2xx is its user's to repeat; the INVITE that comes again is taken in silence, and
// the ACK goes up by whatever branch.
func TestAcceptedInvite(t *testing.T) {
	try(t, false, func(b *bench) {
		var tx *Server
		var answer *sip.Response
		b.handle = func(req *sip.Request, s *Server) {
			tx, answer = s, sip.NewResponseFromRequest(req, 200, "Reason", nil)
			b.answers(100, 180, 200)
			b.handle(req, s)
		}
		b.hear(request("INVITE", "z9hG4bK1"))
		b.line.take()
		b.hear(request("INVITE", "z9hG4bK1"))
		time.Sleep(time.Second)
		b.want("silence", "")
		if err := tx.Respond(answer); err != nil {
			t.Error(err)
		}
		b.want("its user repeats", "1.0 SIP/2.0 200 Reason")
		answer.StatusCode = 486
		if err := tx.Respond(answer); !errors.Is(err, ErrOver) {
			t.Errorf("a refusal after a 2xx: %v", err)
		}
		b.hear(request("ACK", "z9hG4bK1"))
		b.hear(request("ACK", "z9hG4bK2"))
		if b.acks != 2 || len(b.handled) != 1 {
			t.Errorf("%d ACKs, handled %v", b.acks, b.handled)
		}
	})
}

// A CANCEL is answered, and told once to who handles the INVITE, even if it came
// before he asked; after the final answer it is nothing.
func TestCancel(t *testing.T) {
	for _, early := range []bool{true, false} {
		try(t, false, func(b *bench) {
			told := 0
			b.handle = func(req *sip.Request, tx *Server) {
				if early {
					time.Sleep(time.Second)
				}
				tx.OnCancel(func(*sip.Request) { told++ })
				time.Sleep(2 * time.Second)
				b.answers(487)
				b.handle(req, tx)
			}
			b.hear(request("INVITE", "z9hG4bK1"))
			time.Sleep(time.Second / 2)
			for range 2 {
				b.hear(request("CANCEL", "z9hG4bK1"))
			}
			b.want("CANCEL", "0.5 SIP/2.0 200 OK\n0.5 SIP/2.0 200 OK")
			time.Sleep(3 * time.Second)
			b.hear(request("CANCEL", "z9hG4bK1"))
			if told != 1 || len(b.handled) != 1 {
				t.Errorf("early %v: told %d times, handled %v", early, told, b.handled)
			}
			b.hear(request("CANCEL", "z9hG4bK2"))
			if fmt.Sprint(b.handled) != "[INVITE CANCEL]" {
				t.Errorf("a CANCEL of nothing: %v", b.handled)
			}
		})
	}
}
