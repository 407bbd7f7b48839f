package relay

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
)

// NewCall opens the four sockets of a call. The id is kept for the caller's use
// alone. Errors: ErrClosed, ErrPortsExhausted, ErrTooManyFiles.
func (e *Engine) NewCall(id string) (*Call, error) {
	c := &Call{engine: e, id: id}
	for _, side := range []Side{A, B} {
		if err := e.bind(&c.legs[side]); err != nil {
			c.release()
			return nil, fmt.Errorf("relay: new call: %w", err)
		}
	}
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		c.release()
		return nil, fmt.Errorf("relay: new call: %w", ErrClosed)
	}
	e.calls[c] = struct{}{}
	e.mu.Unlock()
	if err := c.startSockets(); err != nil {
		c.Close()
		return nil, fmt.Errorf("relay: new call: %w", err)
	}
	e.opened.Add(1)
	return c, nil
}

// startSockets holds the mutex, since Engine.Close may already see the call.
func (c *Call) startSockets() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	for i := range c.legs {
		for k, s := range c.legs[i].sockets {
			if err := c.engine.transport.start(s, &port{call: c, side: Side(i), rtcp: k == 1}); err != nil {
				return err
			}
		}
	}
	return nil
}

// bindTries is how many ports of the range may turn out to be taken by other
// programs before a call is refused.
const bindTries = 64

// bind gives a leg its two sockets.
func (e *Engine) bind(l *leg) error {
	var last error
	var refused []uint16
	defer func() {
		for _, p := range refused {
			e.ports.put(p)
		}
	}()
	for range bindTries {
		number, err := e.ports.take()
		if err != nil {
			if last != nil {
				return fmt.Errorf("%w; before that: %w", err, last)
			}
			return err
		}
		local := netip.AddrPortFrom(e.config.LocalAddr, number)
		last = e.bindPair(l, local)
		switch {
		case last == nil:
			return nil
		case errors.Is(last, syscall.EMFILE), errors.Is(last, syscall.ENFILE):
			refused = append(refused, number)
			return fmt.Errorf("%w: RLIMIT_NOFILE is %d, which allows %d calls", ErrTooManyFiles, e.files, e.callsByFiles())
		}
		refused = append(refused, number)
	}
	return fmt.Errorf("%w: %d tried in %d-%d: %w", ErrPortsExhausted, bindTries, e.ports.min, e.ports.max, last)
}

func (e *Engine) bindPair(l *leg, local netip.AddrPort) error {
	media, err := e.transport.bind(local)
	if err != nil {
		return err
	}
	control, err := e.transport.bind(netip.AddrPortFrom(local.Addr(), local.Port()+1))
	if err != nil {
		media.close()
		return err
	}
	l.local, l.sockets = local, [2]socket{media, control}
	return nil
}

// release closes the sockets and gives the ports back.
func (c *Call) release() {
	for i := range c.legs {
		l := &c.legs[i]
		if l.sockets[0] == nil {
			continue
		}
		l.sockets[0].close()
		l.sockets[1].close()
		c.engine.ports.put(l.local.Port())
	}
}
