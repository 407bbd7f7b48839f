//go:build !linux

package doctor

import (
	"context"
	"runtime"
)

// kernel names the system.
func kernel() string { return runtime.GOOS }

// clock cannot be asked for its state here.
func (v *visit) clock(context.Context) {
	v.add("clock", OK, "", "this system does not tell whether its clock is synchronised; it should be")
}
