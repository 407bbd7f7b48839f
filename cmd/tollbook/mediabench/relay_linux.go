package mediabench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strconv"

	"github.com/tollbook/tollbook/media/relay"
)

// The ports of the relay that is measured, and the first one of each side's ends.
const (
	portMin, portMax = 20000, 39999
	farPort          = 20000
)

// farEnd is where a call's side is.
func farEnd(call int, side relay.Side) netip.AddrPort {
	return netip.AddrPortFrom(farAddrs[side], uint16(farPort+2*call))
}

// relayOrder is what a relay of ours is told.
type relayOrder struct {
	Engine string
	Calls  int
	// Record is a directory for recordings of all calls; empty records none.
	Record string
}

// relayReport is what a relay of ours tells at its end.
type relayReport struct {
	// Recordings are those that were begun, Unrecorded the packets that they lack.
	Recordings, Unrecorded uint64
}

// playRelay is the process of a relay of ours: it says where its calls' ports are,
// and relays until its input ends.
func playRelay(ctx context.Context, in io.Reader, out io.Writer) error {
	var order relayOrder
	read := json.NewDecoder(in)
	if err := read.Decode(&order); err != nil {
		return fmt.Errorf("read the order: %w", err)
	}
	engine, err := relay.Open(relay.Config{
		Addresses: []netip.Addr{nearAddr}, PortMin: portMin, PortMax: portMax, Workers: 1, Engine: order.Engine,
	})
	if err != nil {
		return err
	}
	defer engine.Close()
	recorder, err := openRecorder(order.Record)
	if err != nil {
		return err
	}
	defer recorder.close()
	var ports [][2]netip.AddrPort
	for i := range order.Calls {
		c, err := engine.NewCall(strconv.Itoa(i), nearAddr)
		if err != nil {
			return err
		}
		for _, side := range []relay.Side{relay.A, relay.B} {
			remote := relay.Remote{Addr: farEnd(i, side), PayloadTypes: []relay.PayloadType{{Number: 8, Codec: "PCMA", ClockRate: 8000}}}
			if err := c.SetRemote(side, remote); err != nil {
				return err
			}
		}
		if err := recorder.record(c); err != nil {
			return err
		}
		ports = append(ports, [2]netip.AddrPort{c.Local(relay.A), c.Local(relay.B)})
	}
	if err := json.NewEncoder(out).Encode(ports); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, in) // until whoever started us closes it, or is gone
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
	return json.NewEncoder(out).Encode(recorder.close())
}
