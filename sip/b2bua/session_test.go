package b2bua

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/call"
)

// A panic in a call's goroutine once took the handler down with it: the hold was
// released as an orphan, and a call that was talked was free.
func TestPanicEndsTheCallOnly(t *testing.T) {
	var logged bytes.Buffer
	c := &session{
		sw: &Switch{start: time.Now()}, log: slog.New(slog.NewTextHandler(&logged, nil)),
		machine: call.New(events.CallID{}, nil, 0, nil),
	}
	c.machine.Refuse(call.Now{US: 1}, 503, "over already", "test")
	ran := false
	c.step(func(call.Now) { panic("a fault") })
	c.step(func(call.Now) { ran = true })
	if !ran {
		t.Error("the call's goroutine does not go on after a panic")
	}
	if !strings.Contains(logged.String(), "a fault") {
		t.Errorf("the panic is not logged: %s", logged.String())
	}
}
