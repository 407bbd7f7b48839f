//go:build !linux

package relay

import "fmt"

// newTransport opens an engine's transport.
func newTransport(e *Engine, name string) (transport, error) {
	if name == EnginePortable {
		return newConns(e), nil
	}
	return nil, fmt.Errorf("%w: it runs on Linux only", errEngine)
}
