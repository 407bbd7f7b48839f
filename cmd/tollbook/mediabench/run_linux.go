package mediabench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/tollbook/tollbook/media/relay"
)

// The parts that processes of the benchmark's own play.
const (
	roleFar   = "far"
	roleRelay = "relay"
)

// Play plays a part, as RoleVariable names it.
func Play(ctx context.Context, role string, in io.Reader, out io.Writer) error {
	switch role {
	case roleFar:
		return playFar(in, out)
	case roleRelay:
		return playRelay(ctx, in, out)
	}
	return fmt.Errorf("%s: there is no part %q", RoleVariable, role)
}

// Run measures all engines that can run here.
func Run(ctx context.Context, o Options) (Figures, error) {
	f := Figures{Seconds: o.Seconds, Rounds: o.Rounds, Missing: map[string]string{}}
	l, err := newLab(ctx)
	if err != nil {
		return f, err
	}
	defer l.remove()
	type key struct {
		name  string
		calls int
	}
	rounds := map[key][]Reading{}
	for round := range o.Rounds {
		for _, calls := range o.Calls {
			ends, err := l.measure(ctx, "", calls, o.Seconds)
			if err != nil {
				return f, fmt.Errorf("the ends alone, %d calls: %w", calls, err)
			}
			for _, name := range subjects(o.Recorded) {
				if f.Missing[name] != "" {
					continue
				}
				m, err := l.measure(ctx, name, calls, o.Seconds)
				if ctx.Err() != nil {
					return f, ctx.Err()
				}
				if err != nil {
					f.Missing[name] = err.Error()
					o.Log.Warn("an engine is left out", "engine", name, "err", err)
					continue
				}
				r := m.reading(name, calls, ends)
				o.Log.Info("measured", "round", round+1, "engine", name, "calls", calls,
					"packets_per_cpu_second", int(r.PacketsPerCPUSecond), "system_us_per_packet", r.SystemUSPerPacket,
					"p50_us", r.P50US, "p99_us", r.P99US, "lost", r.Lost)
				rounds[key{name, calls}] = append(rounds[key{name, calls}], r)
			}
		}
	}
	for _, calls := range o.Calls {
		for _, name := range subjects(o.Recorded) {
			if list := rounds[key{name, calls}]; len(list) > 0 {
				f.Engines = append(f.Engines, sum(list))
			}
		}
	}
	f.compare()
	return f, nil
}

// subjects are what is measured, in turn.
func subjects(recorded bool) []string {
	all := []string{defaultEngine, rtpengineName}
	for _, name := range relay.Engines() {
		switch name {
		case relay.EngineAuto, relay.EnginePortable, relay.EngineEpoll:
		default:
			all = append(all, name)
		}
	}
	if recorded {
		all = append(all, defaultEngine+recording, relay.EngineEBPF+recording)
	}
	return all
}

// measured is what one run costs.
type measured struct {
	farReport
	relayReport
	relay  time.Duration // the relay's process
	system time.Duration // the kernel, and the programs' own time
}

// reading sets a run in relation to one of the ends alone.
func (m measured) reading(name string, calls int, ends measured) Reading {
	packets := float64(max(1, m.Received))
	own := float64(ends.system) / float64(max(1, ends.Received))
	return Reading{
		Name: name, Calls: calls, Sent: m.Sent, Lost: m.Sent - min(m.Received, m.Sent),
		PacketsPerCPUSecond: packets / max(m.relay, clockTick).Seconds(),
		SystemUSPerPacket:   max(0, float64(m.system)/packets-own) / float64(time.Microsecond),
		P50US:               m.P50US, P99US: m.P99US,
		Recordings: m.Recordings, Unrecorded: m.Unrecorded,
	}
}

// measure runs one engine, or the ends alone on their own cable if it has no name.
func (l *lab) measure(ctx context.Context, name string, calls, seconds int) (m measured, err error) {
	order := farOrder{Send: "far", Receive: "far", Source: farMAC, To: nearMAC, Seconds: seconds}
	var subject *running
	ports := make([][2]netip.AddrPort, calls)
	switch name {
	case "":
		order.Send, order.Receive, order.Source, order.To = "loop", "back", loopMAC, sinkMAC
		for i := range ports {
			ports[i] = [2]netip.AddrPort{farEnd(i, relay.B), farEnd(i, relay.A)}
		}
	case rtpengineName:
		subject, ports, err = l.startRTPEngine(ctx, calls)
	default:
		subject, ports, err = l.startRelay(ctx, name, calls)
	}
	if err != nil {
		return m, err
	}
	if subject != nil {
		defer func() { m.relayReport = subject.stop() }()
	}
	for i, pair := range ports {
		for side, to := range pair {
			order.Streams = append(order.Streams, stream{farEnd(i, relay.Side(side)), to})
		}
	}
	return l.drive(ctx, order, subject)
}

// startRelay starts a relay of ours and has it make the calls.
func (l *lab) startRelay(ctx context.Context, name string, calls int) (*running, [][2]netip.AddrPort, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	r, err := l.start(ctx, l.near, l.relayCPU, roleRelay, program, "bench", "relay")
	if err != nil {
		return nil, nil, err
	}
	order := relayOrder{Calls: calls}
	engine, recorded := strings.CutSuffix(name, recording)
	if order.Engine = engine; engine == defaultEngine {
		order.Engine = relay.EngineEpoll
	}
	if recorded {
		if order.Record, err = os.MkdirTemp("", "tollbook-bench-*"); err != nil {
			return nil, nil, err
		}
		r.record = order.Record
	}
	var ports [][2]netip.AddrPort
	r.told = json.NewDecoder(r.out)
	if err = json.NewEncoder(r.in).Encode(order); err == nil {
		err = r.told.Decode(&ports)
	}
	if err != nil {
		r.stop()
		return nil, nil, errors.New(r.said())
	}
	return r, ports, nil
}

// drive has the ends send, and reads the clocks when the measured time begins and
// when it ends.
func (l *lab) drive(ctx context.Context, order farOrder, subject *running) (m measured, err error) {
	program, err := os.Executable()
	if err != nil {
		return m, err
	}
	far, err := l.start(ctx, l.far, l.farCPU, roleFar, program, "bench", "relay")
	if err != nil {
		return m, err
	}
	defer far.stop()
	if err := json.NewEncoder(far.in).Encode(order); err != nil {
		return m, err
	}
	lines := bufio.NewScanner(far.out)
	for _, sign := range []time.Duration{-1, 1} {
		if !lines.Scan() {
			return m, fmt.Errorf("the ends: %s", far.said())
		}
		system, err := kernelTime()
		if err != nil {
			return m, err
		}
		for _, p := range []*running{subject, far} {
			if p == nil {
				continue
			}
			user, kernel, err := p.cpu()
			if err != nil {
				return m, err
			}
			system += user
			if p == subject {
				m.relay += sign * (user + kernel)
			}
		}
		m.system += sign * system
	}
	if !lines.Scan() {
		return m, fmt.Errorf("the ends: %s", far.said())
	}
	return m, json.Unmarshal(lines.Bytes(), &m.farReport)
}
