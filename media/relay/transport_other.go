//go:build !linux

package relay

import "fmt"

// newTransport opens one of the system's own transports: it has none.
func newTransport(*Engine, string) (transport, error) {
	return nil, fmt.Errorf("%w: it runs on Linux only", errEngine)
}
