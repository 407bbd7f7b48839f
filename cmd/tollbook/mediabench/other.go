//go:build !linux

package mediabench

import (
	"context"
	"errors"
	"io"
)

var errLinux = errors.New("network namespaces are Linux's: it runs there only")

// Run measures; it cannot here.
func Run(context.Context, Options) (Figures, error) { return Figures{}, errLinux }

// Play plays one of the benchmark's own parts; there is none here.
func Play(context.Context, string, io.Reader, io.Writer) error { return errLinux }
