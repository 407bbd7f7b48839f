package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a program that a benchmark started and measures.
type process struct {
	cmd  *exec.Cmd
	log  string        // where it writes what it has to say
	over chan struct{} // closed when it has ended
}

// start runs a program in a directory until stop is called.
func start(ctx context.Context, dir string, env []string, program string, args ...string) (*process, error) {
	p := &process{log: filepath.Join(dir, filepath.Base(program)+".log"), over: make(chan struct{})}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close() // the program has its own
	p.cmd = exec.CommandContext(ctx, program, args...)
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = dir, env, out, out
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 10 * time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in its log
		close(p.over)
	}()
	return p, nil
}

// stop asks the program to end, and ends it after ten seconds.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.over:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.over
	}
}

// eventually does something as soon as the program is ready for it, within 30 s.
func (p *process) eventually(ctx context.Context, do func() error) error {
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := do()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-p.over:
			return p.failure()
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// failure tells what the program said last.
func (p *process) failure() error {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err
	}
	return errors.New(strings.TrimSpace(string(text[max(0, len(text)-2000):])))
}

// clockTick is the unit of /proc's times on Linux: USER_HZ is 100 on all machines.
const clockTick = 10 * time.Millisecond

// cpu is what the program and its children have used, user and system.
func (p *process) cpu() (time.Duration, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	total, pid := int64(0), strconv.Itoa(p.cmd.Process.Pid)
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended since
		}
		// Behind the name in brackets: state, parent, ..., utime and stime as fields 14 and 15.
		_, rest, ok := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest)
		if !ok || len(fields) < 13 || filepath.Base(filepath.Dir(path)) != pid && fields[1] != pid {
			continue
		}
		for _, f := range fields[11:13] {
			n, err := strconv.ParseInt(f, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", path, err)
			}
			total += n
		}
	}
	return time.Duration(total) * clockTick, nil
}

// rss is the memory that the program has in use, in bytes.
func (p *process) rss() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, fmt.Errorf("statm of %d: %q", p.cmd.Process.Pid, text)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}
