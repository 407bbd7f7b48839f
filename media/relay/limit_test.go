//go:build unix

package relay

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// The process's limit is lowered for a moment, below what is open already.
func TestTooFewDescriptors(t *testing.T) {
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	for _, engine := range engines() {
		e := open(t, Config{PortMin: 20000, PortMax: 20999, Engine: engine})
		low := old
		low.Cur = 3
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
			t.Fatal(err)
		}
		_, callErr := e.NewCall("x", netip.Addr{})
		_, openErr := Open(e.config)
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Fatal(err)
		}
		if !errors.Is(callErr, ErrTooManyFiles) || !errors.Is(openErr, ErrTooManyFiles) {
			t.Errorf("NewCall: %v\nOpen: %v", callErr, openErr)
		}
		c := newCall(t, e, nil, nil) // the ports were given back
		c.Close()
	}
}
