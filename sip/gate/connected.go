package gate

import (
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/emiago/sipgo/sip"
)

// overStream takes a message that came over a connection.
func (l *Listener) overStream(msg sip.Message) {
	if network := sip.NetworkToLower(msg.Transport()); webSocket(network) { // others are heard as they came
		if from, err := netip.ParseAddrPort(msg.Source()); err == nil {
			l.heard(network, from, []byte(msg.String()))
		}
	}
	way := &connected{by: l, network: sip.NetworkToLower(msg.Transport()), to: msg.Source()}
	if !l.passed(msg, Parcel{Transport: way.network, Far: way.to}) {
		l.layer.Receive(msg, way)
	}
}

// connected is the way to a far end over the connection to it.
type connected struct {
	by          *Listener
	network, to string
	name        string // of the far end's certificate, where we have connected to it
}

func (c *connected) Write(b []byte) error {
	if c.by.config.Shared && c.by.bound.Load() == nil {
		return c.by.emit(Parcel{Transport: c.network, Far: c.to, Name: c.name, Message: b})
	}
	return c.by.with(c.network, c.to, func(conn sip.Connection) error {
		w, ok := conn.(io.Writer)
		if !ok {
			return fmt.Errorf("a connection of type %T cannot be written to", conn)
		}
		at := time.Now()
		_, err := w.Write(b)
		if to, bad := netip.ParseAddrPort(c.to); err == nil && bad == nil && webSocket(c.network) {
			c.by.said(c.network, to, b, at)
		}
		return err
	})
}

func webSocket(network string) bool { return network == "ws" || network == "wss" }

func (c *connected) Reliable() bool { return true }
