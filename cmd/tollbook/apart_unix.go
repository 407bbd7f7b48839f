//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// nothing is a signal that only asks whether a process is there.
const nothing = syscall.Signal(0)

// apart puts a process into a group of its own, which a terminal's Ctrl-C does not reach.
// It does not outlive this program.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	endsWithUs(cmd.SysProcAttr)
}
