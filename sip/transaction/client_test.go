package transaction

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Requests are repeated as RFC 3261 has it, and given up after 32 s.
func TestRequestIsRepeated(t *testing.T) {
	for method, want := range map[string]string{
		"INVITE": "0.0 0.5 1.5 3.5 7.5 15.5 31.5", "BYE": "0.0 0.5 1.5 3.5 7.5 11.5 15.5 19.5 23.5 27.5 31.5",
	} {
		try(t, false, func(b *bench) {
			tx := b.send(method)
			<-tx.Done()
			if time.Since(b.line.start) != Life || !errors.Is(tx.Err(), ErrTimeout) {
				t.Errorf("%s: given up after %v: %v", method, time.Since(b.line.start), tx.Err())
			}
			got := strings.ReplaceAll(strings.ReplaceAll(b.line.take(), " "+method+" sip:x@y SIP/2.0", ""), "\n", " ")
			if got != want {
				t.Errorf("%s went out at %s, want %s", method, got, want)
			}
		})
	}
	try(t, true, func(b *bench) {
		tx := b.send("BYE")
		b.hear(response(100, "BYE", "z9hG4bKours", "t"))
		<-tx.Done()
		b.want("over a stream", "0.0 BYE sip:x@y SIP/2.0")
	})
}

// A provisional response ends the repetitions of an INVITE, and slows those of others.
func TestProvisional(t *testing.T) {
	try(t, false, func(b *bench) {
		tx := b.send("INVITE")
		b.hear(response(180, "INVITE", "z9hG4bKours", "t"))
		time.Sleep(10 * Life)
		b.want("INVITE", "0.0 INVITE sip:x@y SIP/2.0")
		for range 3 * queue {
			b.hear(response(183, "INVITE", "z9hG4bKours", "t"))
		}
		b.hear(response(200, "INVITE", "z9hG4bKours", "t"))
		last := 0
		for last < 200 {
			last = (<-tx.Responses()).StatusCode
		}
	})
	try(t, false, func(b *bench) {
		tx := b.send("BYE")
		b.hear(response(100, "BYE", "z9hG4bKours", "t"))
		time.Sleep(9 * time.Second)
		b.want("BYE", "0.0 BYE sip:x@y SIP/2.0\n0.5 BYE sip:x@y SIP/2.0\n4.5 BYE sip:x@y SIP/2.0\n8.5 BYE sip:x@y SIP/2.0")
		tx.Terminate()
	})
}

// A refusal is acknowledged each time it comes, and heard once.
func TestRefused(t *testing.T) {
	try(t, false, func(b *bench) {
		tx := b.send("INVITE")
		for range 3 {
			b.hear(response(486, "INVITE", "z9hG4bKours", "t"))
		}
		b.want("ACKs", "0.0 INVITE sip:x@y SIP/2.0"+strings.Repeat("\n0.0 ACK sip:x@y SIP/2.0", 3))
		if res := <-tx.Responses(); res.StatusCode != 486 || len(tx.Responses()) != 0 {
			t.Errorf("heard %v and %d more", res, len(tx.Responses()))
		}
		select {
		case <-tx.Done():
			t.Error("an answered transaction says that it has no answer")
		default:
		}
		b.hear(response(486, "INVITE", "z9hG4bKother", "t"))
		if b.stray != 1 {
			t.Errorf("%d strays", b.stray)
		}
	})
}

// A further 2xx is told to who asked for it last, for 32 s.
func TestRepeated2xx(t *testing.T) {
	try(t, false, func(b *bench) {
		tx := b.send("INVITE")
		var first, second []string
		tx.OnRepeat(func(res *sip.Response) { tag, _ := res.To().Params.Get("tag"); first = append(first, tag) })
		b.hear(response(200, "INVITE", "z9hG4bKours", "one"))
		b.hear(response(200, "INVITE", "z9hG4bKours", "one"))
		tx.OnRepeat(func(res *sip.Response) { tag, _ := res.To().Params.Get("tag"); second = append(second, tag) })
		b.hear(response(200, "INVITE", "z9hG4bKours", "two"))
		if fmt.Sprint(first, second, len(tx.Responses())) != "[one] [two] 1" {
			t.Errorf("%v, %v, %d", first, second, len(tx.Responses()))
		}
		time.Sleep(Life + time.Second)
		b.hear(response(200, "INVITE", "z9hG4bKours", "two"))
		if len(second) != 1 || b.stray != 1 {
			t.Errorf("after its life: %v, %d strays", second, b.stray)
		}
	})
}

// A layer that is closed tells those who wait, and hears nothing.
func TestClose(t *testing.T) {
	try(t, false, func(b *bench) {
		tx := b.send("INVITE")
		b.Close()
		<-tx.Done()
		b.hear(request("INVITE", "z9hG4bK1"))
		b.hear(request("ACK", "z9hG4bK2"))
		b.hear(response(200, "INVITE", "z9hG4bKours", "t"))
		if len(b.handled) != 0 || b.acks+b.stray != 0 || !errors.Is(tx.Err(), ErrOver) {
			t.Errorf("handled %v, %d ACKs, %d strays, %v", b.handled, b.acks, b.stray, tx.Err())
		}
	})
}
