//go:build linux

package main_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// havoc is three nodes that are killed, stopped, cut off from each other, starved of
// disk, and robbed of their stores, while payments, edits and calls come through all of
// them.
type havoc struct {
	*lan
	rand    *rand.Rand
	clients sync.WaitGroup
	stop    context.CancelFunc
	seed    uint64

	mu sync.Mutex
	// urls are where the nodes answer now.
	urls map[string]string
	// acked and unknown are the payments and edits that were confirmed, and those of
	// which nobody said anything, by their keys.
	acked, unknown map[string]bool
	twice          int // payments that were booked more than once, or by nobody
	// registers are what clients left, swaps counts their confirmed changes, unsure those of
	// which nobody knows how they ended, and wrong are answers that contradict others.
	registers []register
	swaps     int
	unsure    int
	wrong     []string
}

// TestHavoc runs TOLLBOOK_HAVOC seeds, from TOLLBOOK_SEED on. At the end every command
// that was confirmed is in the books once, on all nodes the same, and the books add up.
func TestHavoc(t *testing.T) {
	seeds, err := strconv.ParseUint(os.Getenv("TOLLBOOK_HAVOC"), 10, 64)
	if err != nil {
		t.Skip("SKIPPED: this is for make havoc")
	}
	from, err := strconv.ParseUint(os.Getenv("TOLLBOOK_SEED"), 10, 64)
	if err != nil {
		from = 1
	}
	for seed := from; seed < from+seeds; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { wreak(t, seed) })
	}
}

const havocFor = 45 * time.Second

func wreak(t *testing.T, seed uint64) {
	h := &havoc{
		lan: newLan(t), rand: rand.New(rand.NewPCG(seed, 0)), seed: seed,
		urls: map[string]string{}, acked: map[string]bool{}, unknown: map[string]bool{},
	}
	for _, name := range h.names() {
		h.disk(t, name)
	}
	h.open(t)
	h.work(t)
	for end := time.Now().Add(havocFor); time.Now().Before(end); {
		h.strike(t)
		h.whole(t)
		time.Sleep(time.Duration(h.rand.IntN(2000)) * time.Millisecond)
	}
	h.stop()
	h.clients.Wait()
	h.check(t)
}

func (l *lan) names() []string { return []string{"n1", "n2", "n3"} }

// disk gives a node's data a file system of its own, which can be filled.
func (h *havoc) disk(t *testing.T, name string) {
	t.Helper()
	dir := h.path(name, "data")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	h.Run("mount -t tmpfs -o size=256m tmpfs " + dir)
	t.Cleanup(func() {
		if n := h.nodes[name]; n != nil && n.alive() {
			n.kill(t)
		}
		h.Run("umount -l " + dir)
	})
}

// fault is something that happens to a node, and is over when it returns. Its numbers are
// drawn from its own source, so that a seed makes the same faults again.
type fault struct {
	name string
	do   func(t *testing.T, name string, own *rand.Rand)
	// spares says that no store suffers: it may happen while another fault does.
	spares bool
}

func (h *havoc) faults() []fault {
	return []fault{
		{"killed", h.killed, true}, {"killed", h.killed, true}, {"stopped", h.stopped, true}, {"cut off", h.cutOff, true},
		{"deaf to another", h.deaf, true}, {"disk full", h.diskFull, true},
		{"store damaged", h.damaged, false}, {"log damaged", h.logDamaged, false}, {"store lost", h.lost, false},
	}
}

// strike has a fault happen to a node, and sometimes another one to another node meanwhile:
// then nobody may have a majority for a while.
func (h *havoc) strike(t *testing.T) {
	t.Helper()
	begin := func(f fault, name string) func() {
		own := rand.New(rand.NewPCG(h.rand.Uint64(), 0))
		t.Logf("%s: %s %s", time.Now().Format("15:04:05.000"), f.name, name)
		return func() { f.do(t, name, own) }
	}
	all := h.faults()
	first, name := all[h.rand.IntN(len(all))], h.names()[h.rand.IntN(3)]
	run := []func(){begin(first, name)}
	if h.rand.IntN(3) == 0 {
		others := slices.DeleteFunc(all, func(f fault) bool { return !f.spares })
		run = append(run, begin(others[h.rand.IntN(len(others))], h.others(name)[h.rand.IntN(2)]))
	}
	var over sync.WaitGroup
	for _, fn := range run {
		over.Go(fn)
	}
	over.Wait()
}

func while(own *rand.Rand) { time.Sleep(time.Duration(500+own.IntN(5500)) * time.Millisecond) }

func (h *havoc) killed(t *testing.T, name string, own *rand.Rand) {
	h.node(name).kill(t)
	while(own)
	h.back(t, name)
}

func (h *havoc) stopped(t *testing.T, name string, own *rand.Rand) {
	goOn := h.node(name).stop(t)
	while(own)
	goOn()
}

var filters atomic.Int32

// filter drops what comes to a node from others.
func (l *lan) filter(t *testing.T, name string, from ...string) (heal func()) {
	t.Helper()
	nft := func(args ...string) {
		cmd := exec.Command("ip", append([]string{"netns", "exec", l.Hosts[name], "nft"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("nft %v: %s", args, out)
		}
	}
	table := fmt.Sprint("havoc", filters.Add(1)) // another may be there
	nft("add", "table", "ip", table)
	nft("add", "chain", "ip", table, "in", "{ type filter hook input priority 0 ; }")
	for _, other := range from {
		nft("add", "rule", "ip", table, "in", "ip", "saddr", l.net.ip(last[other]), "drop")
	}
	return func() { nft("delete", "table", "ip", table) }
}

func (l *lan) others(name string) []string {
	return slices.DeleteFunc(l.names(), func(n string) bool { return n == name })
}

// cutOff has a node neither hear the others nor be heard by them.
func (h *havoc) cutOff(t *testing.T, name string, own *rand.Rand) {
	heal := h.isolate(t, name)
	while(own)
	heal()
}

func (l *lan) isolate(t *testing.T, name string) (heal func()) {
	all := []func(){l.filter(t, name, l.others(name)...)}
	for _, other := range l.others(name) {
		all = append(all, l.filter(t, other, name))
	}
	return func() {
		for _, fn := range all {
			fn()
		}
	}
}

// deaf has a node not hear one of the others, which hears it.
func (h *havoc) deaf(t *testing.T, name string, own *rand.Rand) {
	heal := h.filter(t, name, h.others(name)[own.IntN(2)])
	while(own)
	heal()
}

func (h *havoc) diskFull(t *testing.T, name string, own *rand.Rand) {
	path := filepath.Join(h.node(name).data, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(f, nothing{})
	if err == nil {
		t.Fatal("the disk is endless")
	}
	while(own)
	if err := errors.Join(f.Close(), os.Remove(path)); err != nil {
		t.Fatal(err)
	}
}

// nothing is zeros without end.
type nothing struct{}

func (nothing) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// damaged flips a bit somewhere in a node's copy of the book.
func (h *havoc) damaged(t *testing.T, name string, own *rand.Rand) { h.flips(t, name, "BOOK", own) }

// logDamaged does so in its copy of the logs.
func (h *havoc) logDamaged(t *testing.T, name string, own *rand.Rand) { h.flips(t, name, "LOG", own) }

func (h *havoc) flips(t *testing.T, name, stream string, own *rand.Rand) {
	h.node(name).kill(t)
	files, err := filepath.Glob(filepath.Join(h.node(name).data, "jetstream", "$G", "streams", stream, "msgs", "*.blk"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	path := files[own.IntN(len(files))]
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 0 {
		text[own.IntN(len(text))] ^= 1 << own.IntN(8)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	h.back(t, name)
}

// lost has a node come back with nothing.
func (h *havoc) lost(t *testing.T, name string, _ *rand.Rand) {
	h.node(name).kill(t)
	entries, err := os.ReadDir(h.node(name).data)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(h.node(name).data, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	h.back(t, name)
}

// back starts a node again. It may not be ready before another one is back, too.
func (h *havoc) back(t *testing.T, name string) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.launch(t, name)
}

// node is a node as it runs now; faults may start others meanwhile.
func (h *havoc) node(name string) *node {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.nodes[name]
}

// whole starts what has ended meanwhile, and waits until all nodes see each other and
// each has all that the streams hold: only then may the next store be lost.
func (h *havoc) whole(t *testing.T) {
	t.Helper()
	until(t, "all nodes are up", func() bool { return h.up(t) })
	until(t, "all nodes are whole", func() bool {
		if !h.up(t) {
			return false
		}
		for _, name := range h.names() {
			if !h.seesAll(t, name) {
				return false
			}
		}
		return true
	})
	key := fmt.Sprint("whole ", h.seed, " ", time.Now().UnixNano())
	var position string
	until(t, "a payment is taken", func() bool { return h.pay(t.Context(), h.nodes["n1"].url, key, &position) == nil })
	h.settle(key, nil)
	for _, name := range h.names() {
		until(t, name+" has read it", func() bool {
			var answer struct{ Entry []struct{ Reason string } }
			err := post(t.Context(), h.nodes[name].url, `query ($p: Position!) { entry(position: $p) { reason } }`, map[string]any{"p": position}, &answer)
			return err == nil && len(answer.Entry) > 0
		})
	}
}

// up starts what has ended by itself, as a system does that looks after a program, and says
// whether all nodes are ready.
func (h *havoc) up(t *testing.T) bool {
	t.Helper()
	ready := 0
	for _, name := range h.names() {
		n := h.node(name)
		if !n.alive() {
			t.Logf("%s has ended by itself: %s", name, lastLine(n.stderr.String()))
			h.back(t, name)
		} else if n.isReady() {
			h.mu.Lock()
			h.urls[name] = n.url
			h.mu.Unlock()
			ready++
		}
	}
	return ready == len(h.names())
}

// seesAll says whether a node sees all of them up and whole, and one keeper.
func (h *havoc) seesAll(t *testing.T, name string) bool {
	var answer struct {
		Members []struct {
			Name                 string
			Up, Whole, KeepsBook bool
			DiffersAt            *string
		}
	}
	if err := post(t.Context(), h.nodes[name].url, `{ members { name up whole keepsBook differsAt } }`, nil, &answer); err != nil {
		return false
	}
	whole, keep := 0, 0
	for _, m := range answer.Members {
		if m.DiffersAt != nil {
			t.Fatalf("%s: %+v", name, m)
		}
		if m.Up && m.Whole {
			whole++
		}
		if m.KeepsBook {
			keep++
		}
	}
	return whole == 3 && keep == 1
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
