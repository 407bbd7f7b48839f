//go:build !linux || !(amd64 || arm64 || riscv64 || loong64)

package fastpath

import (
	"fmt"
	"time"
)

// Path is the fast path; this system has none.
type Path struct{}

// Open fails with ErrUnavailable.
func Open(Config) (*Path, error) {
	return nil, fmt.Errorf("%w: it needs Linux on a 64-bit little-endian processor", ErrUnavailable)
}

// Close does nothing.
func (*Path) Close() error { return nil }

// Insert fails with ErrUnavailable.
func (*Path) Insert(Flow) error { return ErrUnavailable }

// Remove fails with ErrFlow.
func (*Path) Remove(Key) (Meter, error) { return Meter{}, ErrFlow }

// Read fails with ErrFlow.
func (*Path) Read(Key) (Meter, error) { return Meter{}, ErrFlow }

// Each visits nothing.
func (*Path) Each(func(Key, Meter)) error { return nil }

// Drain does nothing.
func (*Path) Drain() {}

// Totals are zero.
func (*Path) Totals() Totals { return Totals{} }

// Describe says nothing.
func (*Path) Describe() string { return "" }

// Now is zero.
func Now() time.Duration { return 0 }
