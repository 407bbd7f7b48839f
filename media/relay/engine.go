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
	// EnginePortable is a goroutine per socket.
	EnginePortable = "portable"
)

// Engines are the values of Config.Engine.
func Engines() []string { return []string{EngineAuto, EngineEpoll, EnginePortable} }

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
			e.name, e.why = EngineEpoll, "it needs no privileges and runs on every Linux"
			return nil
		}
		e.name, e.why = EnginePortable, err.Error()
		e.transport = newConns(e)
		return nil
	case EnginePortable:
		e.transport = newConns(e)
	default:
		if e.transport, err = newTransport(e, want); err != nil {
			return fmt.Errorf("engine %s: %w", want, err)
		}
	}
	e.name, e.why = e.config.Engine, "the configuration asks for it"
	return nil
}
