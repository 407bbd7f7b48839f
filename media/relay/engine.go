package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
)

// What Config.Engine can say.
const (
	// EngineAuto is the best of those that are proven on this system.
	EngineAuto = "auto"
	// EngineEpoll reads and writes each datagram with system calls of its own (Linux).
	EngineEpoll = "epoll"
	// EngineEBPF is the kernel's fast path over EngineEpoll: it relays the packets of
	// established calls (package fastpath). It needs CAP_BPF and CAP_NET_ADMIN, and
	// addresses on Ethernet interfaces.
	EngineEBPF = "ebpf"
	// EngineIOUring has the kernel receive by itself and sends by the batch (Linux from
	// 6.1 on, where it is allowed).
	EngineIOUring = "io_uring"
	// EnginePortable is a goroutine per socket.
	EnginePortable = "portable"
)

// Engines are the values of Config.Engine.
func Engines() []string {
	return []string{EngineAuto, EngineEBPF, EngineEpoll, EngineIOUring, EnginePortable}
}

// errEngine means that an engine cannot run here, or that there is none such.
var errEngine = errors.New("not available")

// Engine is which engine runs, and why this one.
func (e *Engine) Engine() (name, why string) {
	if e.fast != nil {
		return e.name, e.why + ": " + e.fast.path.Describe()
	}
	return e.name, e.why
}

// choose opens the transport and logs which one.
func (e *Engine) choose() error {
	if err := e.chosen(); err != nil {
		return err
	}
	name, why := e.Engine()
	level := slog.LevelInfo
	if want := e.config.Engine; want != "" && want != EngineAuto && want != name {
		level = slog.LevelWarn
	}
	e.config.Log.Log(context.Background(), level, "media engine", "engine", name, "asked_for", e.config.Engine, "why", why)
	return nil
}

func (e *Engine) chosen() error {
	want, why := e.config.Engine, "the configuration asks for it"
	if want == "" || want == EngineAuto {
		want, why = EngineEBPF, "this process may use the kernel's fast path"
	}
	if !slices.Contains(Engines(), want) {
		return fmt.Errorf("%w: there is no engine %q", errEngine, want)
	}
	for _, name := range []string{want, EngineEpoll, EnginePortable} {
		err := e.begin(name)
		if err == nil {
			e.name, e.why = name, why
			return nil
		}
		why = fmt.Sprintf("%s: %v", name, err)
	}
	return fmt.Errorf("%w: %s", errEngine, why)
}

// begin opens an engine's transport, and the fast path where that is it.
func (e *Engine) begin(name string) error {
	under := name
	if name == EngineEBPF {
		under = EngineEpoll
	}
	t, err := newTransport(e, under)
	if err != nil {
		return err
	}
	if name == EngineEBPF {
		if err := e.openFast(); err != nil {
			t.stop()
			return err
		}
	}
	e.use(t)
	return nil
}
