package relay

import "fmt"

// newTransport opens an engine's transport.
func newTransport(e *Engine, name string) (transport, error) {
	switch name {
	case EnginePortable:
		return newConns(e), nil
	case EngineEpoll:
		return newEpoll(e)
	case EngineIOUring:
		if err := tryIOUring(e.config); err != nil {
			return nil, err
		}
		return newIOUring(e)
	}
	return nil, fmt.Errorf("%w: there is no engine %q", errEngine, name)
}
