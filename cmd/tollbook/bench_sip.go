package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/tollbook/tollbook/deploy"
)

// sipFigures are what bench sip prints.
type sipFigures struct {
	sippFigures
	Cores int `json:"cores"`
	// CPUMSPerCall is the whole switch's, user and system: signalling, rating, the
	// book, its disk, CDRs and entries in the history.
	CPUMSPerCall float64 `json:"cpu_ms_per_call"`
	RSSBytes     int64   `json:"rss_bytes"`
	// Unclean are the rates above, at which calls failed or much was sent again.
	Unclean []int `json:"unclean_rates,omitempty"`

	KamailioCPUMSPerCall float64 `json:"kamailio_cpu_ms_per_call,omitempty"`
	Ratio                float64 `json:"ratio,omitempty"`
	KamailioMissing      string  `json:"kamailio_missing,omitempty"`
}

func (g sipFigures) print(w io.Writer) {
	fmt.Fprintf(w, "calls                %d in %d s at %d/s, %d failed, %.2f %% sent again\n", g.Calls, g.Seconds, g.Rate, g.Failed, g.Retransmitted)
	fmt.Fprintf(w, "CPU of a billed call %.2f ms\n", g.CPUMSPerCall)
	fmt.Fprintf(w, "post-dial delay      p50 %.0f ms, p99 %.0f ms\n", g.PDDP50MS, g.PDDP99MS)
	fmt.Fprintf(w, "memory               %d MB\n", g.RSSBytes>>20)
	if g.KamailioMissing != "" {
		fmt.Fprintf(w, "Kamailio             not measured: %s\n", g.KamailioMissing)
		return
	}
	fmt.Fprintf(w, "Kamailio as a proxy  %.2f ms, ratio %.1f\n", g.KamailioCPUMSPerCall, g.Ratio)
}

const (
	// cleanPercent is how much may be sent again at a rate that counts.
	cleanPercent = 0.1
	benchSIPPort = 15060
	benchSwitch  = "127.0.0.1"
)

// benchSIP measures billed calls without media: INVITE, 180, 20 ms, 200, ACK, 0.1 to
// 1 s, BYE. UDP transactions live for 32 s, so shorter runs flatter. sipp runs on the
// same machine; the figures of CPU are the switch's alone.
func benchSIP(ctx context.Context, c *console, args []string) error {
	f := c.flags("bench sip", "billed calls with sipp, beside Kamailio as a plain proxy")
	output := f.String("o", "text", "text or json")
	dir := f.String("dir", "", "where to put the store; default: the system's temporary directory")
	rate := f.Int("rate", 1000, "calls a second to begin with; less is tried while it is not clean")
	seconds := f.Int("seconds", 45, "how long a rate is kept up")
	if err := parse(f, args, 0); err != nil {
		return err
	}
	if *rate < 1 || *rate > 10_000 || *seconds < 1 || *seconds > 3600 {
		return usageError{errors.New("rates are 1 to 10000 a second, for 1 to 3600 s")}
	}
	sipp, err := exec.LookPath("sipp")
	if err != nil {
		return errors.New("sipp is not installed (package sip-tester)")
	}
	temp, err := os.MkdirTemp(*dir, "tollbook-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	files, err := fs.Sub(deploy.Bench, "bench")
	if err != nil {
		return err
	}
	if err := os.CopyFS(temp, files); err != nil {
		return err
	}
	load := sippLoad{program: sipp, dir: temp, seconds: *seconds}
	vendor, err := load.vendor(ctx)
	if err != nil {
		return err
	}
	defer vendor.stop()
	g, err := measureSIP(ctx, load, *rate)
	if err != nil {
		return err
	}
	if err := g.beside(ctx, load); err != nil {
		g.KamailioMissing = err.Error()
	}
	if *output == "json" {
		return c.json(g)
	}
	g.print(c.out)
	return nil
}

// measureSIP looks for the highest clean rate, a switch of its own for each.
func measureSIP(ctx context.Context, load sippLoad, rate int) (sipFigures, error) {
	g := sipFigures{Cores: runtime.NumCPU()}
	for {
		if err := g.at(ctx, load, rate); err != nil {
			return g, err
		}
		if g.clean() || rate <= 50 {
			return g, nil
		}
		g.Unclean = append(g.Unclean, rate)
		rate = rate * 4 / 5
	}
}

func (g *sipFigures) clean() bool { return g.Failed == 0 && g.Retransmitted < cleanPercent }

func (g *sipFigures) at(ctx context.Context, load sippLoad, rate int) error {
	node, err := benchNode(ctx, load.dir)
	if err != nil {
		return err
	}
	defer node.stop()
	before, err := node.cpu()
	if err != nil {
		return err
	}
	if g.sippFigures, err = load.calls(ctx, benchSwitch, rate); err != nil {
		return err
	}
	after, err := node.cpu()
	if err != nil {
		return err
	}
	g.CPUMSPerCall = perCall(after-before, g.Calls+g.Failed)
	g.RSSBytes, err = node.rss()
	return err
}

func perCall(cpu time.Duration, calls int) float64 {
	if calls == 0 {
		return 0
	}
	return float64(cpu.Microseconds()) / 1000 / float64(calls)
}

// benchNode starts this program as a switch of its own, with the benchmark's world.
func benchNode(ctx context.Context, dir string) (*process, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	data, err := os.MkdirTemp(dir, "node-*")
	if err != nil {
		return nil, err
	}
	address, err := freePort()
	if err != nil {
		return nil, err
	}
	const token = "bench"
	env := append(os.Environ(), adminToken+"="+token)
	sip := net.JoinHostPort(benchSwitch, fmt.Sprint(benchSIPPort))
	config := filepath.Join(data, "node.yaml")
	text := fmt.Sprintf("node: bench\ndata: %s\nhttp: %s\nsip: %s\n", filepath.Join(data, "data"), address, sip)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	node, err := start(ctx, data, env, program, "serve", "--config", config)
	if err != nil {
		return nil, err
	}
	err = node.eventually(ctx, func() error {
		apply := exec.CommandContext(ctx, program, "apply", "-f", filepath.Join(dir, "world.yaml"), "--url", "http://"+address)
		apply.Env = env
		if out, err := apply.CombinedOutput(); err != nil {
			return fmt.Errorf("apply the benchmark's world: %w: %s", err, out)
		}
		return nil
	})
	if err != nil {
		node.stop()
		return nil, err
	}
	return node, nil
}

// freePort is an address of this machine that nobody listens on now.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	address := l.Addr().String()
	return address, l.Close()
}
