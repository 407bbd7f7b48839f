//go:build unix && !linux

package main

import "syscall"

// endsWithUs is for Linux only.
func endsWithUs(*syscall.SysProcAttr) {}
