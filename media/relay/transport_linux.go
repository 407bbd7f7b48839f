package relay

import "fmt"

// newTransport opens one of the system's own transports.
func newTransport(e *Engine, name string) (transport, error) {
	switch name {
	case EngineEpoll:
		return newEpoll(e)
	default:
		return nil, fmt.Errorf("%w: no such engine", errEngine)
	}
}
