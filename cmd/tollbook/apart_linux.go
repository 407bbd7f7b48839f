package main

import "syscall"

// endsWithUs has a process ended when the thread that started it is, which is when this
// program is, however that comes about.
func endsWithUs(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGTERM }
