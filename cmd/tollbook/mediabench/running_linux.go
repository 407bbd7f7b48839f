package mediabench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// running is a process of the benchmark's.
type running struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    io.ReadCloser
	errors said
	over   chan struct{}
	// told reads what a relay of ours says; record is where it records, removed at its end.
	told   *json.Decoder
	record string
}

// said keeps the last of what a process writes to its error output.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.text.Len() > 4096 {
		s.text.Reset()
	}
	return s.text.Write(p)
}

// start runs a program in a namespace on a processor. role is for this program.
func (l *lab) start(ctx context.Context, ns string, cpu int, role, program string, args ...string) (*running, error) {
	r := &running{cmd: exec.CommandContext(ctx, program, args...), over: make(chan struct{})}
	// One processor or not, a scheduler of Go's with but one place to run goroutines
	// takes it from a thread at each of its waits: in the switch there are always two.
	r.cmd.Env = append(os.Environ(), RoleVariable+"="+role, "GOMAXPROCS=2")
	r.cmd.Stderr = &r.errors
	var err error
	if r.in, err = r.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if r.out, err = r.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	r.cmd.Cancel = func() error { return r.cmd.Process.Signal(syscall.SIGTERM) }
	r.cmd.WaitDelay = 5 * time.Second
	if err := within(ns, cpu, r.cmd.Start); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	return r, nil
}

// stop ends it and waits until it has ended. A relay of ours tells how it went.
func (r *running) stop() (report relayReport) {
	_ = r.in.Close()
	patience := 5 * time.Second
	if r.record != "" {
		patience = time.Minute // its files are finished
		defer os.RemoveAll(r.record)
	} else {
		_ = r.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	}
	kill := time.AfterFunc(patience, func() { _ = r.cmd.Process.Kill() })
	defer kill.Stop()
	if r.told != nil {
		_ = r.told.Decode(&report) // a relay that was killed tells nothing
	}
	_, _ = io.Copy(io.Discard, r.out) // so that Wait does not cut a writer off
	_ = r.cmd.Wait()                  // how it ended does not matter any more
	close(r.over)
	return report
}

func (r *running) said() string {
	r.errors.mu.Lock()
	defer r.errors.mu.Unlock()
	return strings.TrimSpace(r.errors.text.String())
}

// clockTick is the unit of /proc's times on Linux: USER_HZ is 100 on all machines.
const clockTick = 10 * time.Millisecond

// cpu is what a process has used: in the kernel and outside.
func (r *running) cpu() (user, system time.Duration, err error) {
	path := fmt.Sprintf("/proc/%d/stat", r.cmd.Process.Pid)
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, err
	}
	// Behind the name in brackets: state, parent, ..., utime and stime as fields 14 and 15.
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, 0, fmt.Errorf("%s: %q", path, text)
	}
	ticks, err := numbers(fields[11:13])
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w", path, err)
	}
	return time.Duration(ticks[0]) * clockTick, time.Duration(ticks[1]) * clockTick, nil
}

// kernelTime is what all processors have spent in the kernel and in interrupts. The
// time that programs spend outside of it is left out, since most of what others do
// on the machine is that.
func kernelTime() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(first) // cpu user nice system idle iowait irq softirq steal
	if len(fields) < 8 {
		return 0, fmt.Errorf("/proc/stat: %q", first)
	}
	n, err := numbers([]string{fields[3], fields[6], fields[7]})
	if err != nil {
		return 0, fmt.Errorf("/proc/stat: %w", err)
	}
	return time.Duration(n[0]+n[1]+n[2]) * clockTick, nil
}

func numbers(fields []string) ([]int64, error) {
	var out []int64
	for _, f := range fields {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}
