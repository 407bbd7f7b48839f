package relay

import (
	"errors"
	"fmt"
)

// What Config.Engine can say.
const (
	// EngineAuto is the best of those that are proven on this system.
	EngineAuto = "auto"
	// EngineEpoll reads and writes each datagram with system calls of its own (Linux).
	EngineEpoll = "epoll"
	// EngineEBPF is the kernel's fast path over EngineEpoll: it relays the packets of
	// established calls (package fastpath). It needs CAP_BPF and CAP_NET_ADMIN, and
	// addresses on Ethernet interfaces.
	EngineEBPF = "ebpf"
	// EnginePortable is a goroutine per socket.
	EnginePortable = "portable"
)

// Engines are the values of Config.Engine.
func Engines() []string { return []string{EngineAuto, EngineEBPF, EngineEpoll, EnginePortable} }

// errEngine means that an engine cannot run here.
var errEngine = errors.New("not available")

// Engine is which engine runs, and why this one.
func (e *Engine) Engine() (name, why string) { return e.name, e.why }

// choose opens the transport and logs which one.
func (e *Engine) choose() error {
	if err := e.chosen(); err != nil {
		return err
	}
	e.config.Log.Info("media engine", "engine", e.name, "why", e.why)
	return nil
}

func (e *Engine) chosen() error {
	var err error
	switch want := e.config.Engine; want {
	case "", EngineAuto:
		if e.transport, err = newTransport(e, EngineEpoll); err == nil {
			if err := e.openFast(); err != nil {
				e.name, e.why = EngineEpoll, err.Error()
				return nil
			}
			e.name, e.why = EngineEBPF, "this process may use the kernel's fast path: "+e.fast.path.Describe()
			return nil
		}
		e.name, e.why = EnginePortable, err.Error()
		e.transport = newConns(e)
		return nil
	case EnginePortable:
		e.transport = newConns(e)
	case EngineEBPF:
		if e.transport, err = newTransport(e, EngineEpoll); err != nil {
			return fmt.Errorf("engine %s: %w", want, err)
		}
		if err := e.openFast(); err != nil {
			e.transport.stop()
			return fmt.Errorf("engine %s: %w", want, err)
		}
	default:
		if e.transport, err = newTransport(e, want); err != nil {
			return fmt.Errorf("engine %s: %w", want, err)
		}
	}
	e.name, e.why = e.config.Engine, "the configuration asks for it"
	return nil
}
