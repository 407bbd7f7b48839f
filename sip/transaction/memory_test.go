package transaction

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/emiago/sipgo/sip"
)

// nowhere is a way that leads nowhere.
type nowhere struct{}

func (nowhere) Write([]byte) error { return nil }
func (nowhere) Reliable() bool     { return false }

// What is kept of a finished call, both of its legs, must be small: at a thousand a
// second 32,000 of them are kept. With whole messages it was 25 KB.
func TestFinishedCallsAreSmall(t *testing.T) {
	const calls, most = 1000, 4096
	var handled sync.WaitGroup
	l := New(Config{
		Request: func(req *sip.Request, tx *Server) {
			defer handled.Done()
			if err := tx.Respond(sip.NewResponseFromRequest(req, 200, "OK", []byte(strings.Repeat("a=x\r\n", 100)))); err != nil {
				t.Error(err)
			}
		},
		Stray: func(*sip.Response) { t.Error("a response without its request") },
	})
	defer l.Close()
	parse := func(text string) sip.Message {
		msg, err := sip.ParseMessage([]byte(strings.ReplaceAll(text, "\n", "\r\n") + "\r\n\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		return msg
	}
	before := live()
	for i := range calls {
		for _, method := range []string{"INVITE", "BYE"} {
			branch := fmt.Sprintf("z9hG4bK%s%d", method, i)
			handled.Add(1)
			l.Receive(parse(request(method, branch)), nowhere{})
			tx, err := l.Request(parse(request(method, branch)).(*sip.Request), nowhere{})
			if err != nil {
				t.Fatal(err)
			}
			l.Receive(parse(response(200, method, branch, strings.Repeat("t", 500))), nowhere{})
			<-tx.Responses()
		}
	}
	handled.Wait()
	grown := live() - before
	if servers, clients := l.Len(); servers != 2*calls || clients != 2*calls {
		t.Errorf("%d and %d transactions are kept", servers, clients)
	}
	if each := grown / calls; each > most {
		t.Errorf("%d bytes are kept of a call, want %d at most", each, most)
	} else {
		t.Logf("%d bytes are kept of a call", each)
	}
}

func live() int64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
