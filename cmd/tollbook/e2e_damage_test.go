package main_test

import (
	le "encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// blocks are the files of a stream, in order.
func blocks(t *testing.T, data, stream string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(filepath.Join(data, "jetstream"), func(path string, d os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".blk") && strings.Contains(path, "/streams/"+stream+"/msgs/") {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("no blocks of %s in %s: %v", stream, data, err)
	}
	slices.SortFunc(files, func(a, b string) int { return len(a) - len(b) + strings.Compare(a, b) })
	return files
}

// flip damages one byte of a stream: in its first message, in the middle, or in
// the last message that was acknowledged. What a killed switch had stored behind
// that was promised to nobody.
func flip(t *testing.T, data, stream, where string) {
	t.Helper()
	files := blocks(t, data, stream)
	file := map[string]string{"first": files[0], "middle": files[len(files)/2], "last": files[len(files)-1]}[where]
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]int{"first": 120, "middle": len(text) / 2}[where]
	if where == "last" {
		at = messageAt(t, text, acknowledged(t, data, stream)) + 60
	}
	text[at] ^= 0x10
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// acknowledged is the sequence of a stream's last block in heads.log.
func acknowledged(t *testing.T, data, stream string) uint64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(data, "heads.log"))
	if err != nil {
		t.Fatal(err)
	}
	var last uint64
	for line := range strings.Lines(string(text)) {
		var of, journal string
		var number, sequence uint64
		if _, err := fmt.Sscanf(line, "h %s %s %d %d", &of, &journal, &number, &sequence); err == nil && of == stream {
			last = max(last, sequence)
		}
	}
	return last
}

// messageAt is where a message begins in a file of JetStream's: its length (the
// top bit means something else) and its sequence come first.
func messageAt(t *testing.T, text []byte, sequence uint64) int {
	t.Helper()
	for at := 0; at+12 < len(text); {
		if le.LittleEndian.Uint64(text[at+4:]) == sequence {
			return at
		}
		at += int(le.LittleEndian.Uint32(text[at:]) &^ (1 << 31))
	}
	t.Fatalf("message %d is not there", sequence)
	return 0
}

// stores makes two stores with calls in them: one of a switch that was stopped,
// and one of a switch that was killed in the midst of calls.
func stores(t *testing.T, net network) (stopped, killed string) {
	t.Helper()
	stopped = t.TempDir()
	s := &stage{name: "some", credit: "50", sell: sellPrice, buy: buyPrice, vendors: []string{""}}
	n := serve(t, net, stopped)
	n.apply(t, world(n, []*stage{s}))
	n.credit(t, s.account(), s.credit, "opening")
	s.takes(t, 0, 1000, "answer")
	s.calls(t, "call", 40, nil, "-r", "40", "-d", "500")
	s.settled(t, s.filter(), 80)
	n.interrupt(t)
	killed = copied(t, stopped)
	n = serve(t, net, killed)
	s.node = n
	p := s.starts(t, "call", 200, nil, "-r", "50", "-d", "1500")
	until(t, "calls are over", func() bool { return len(s.cdrs(t, map[string]any{"state": "FINAL"})) > 100 })
	n.kill(t)
	p.end(t)
	return stopped, killed
}

var position = regexp.MustCompile(`(position|block|sequence) \d+`)

// One byte is wrong somewhere in a store: verify says where, and serve refuses to
// work with it for the same reason.
func TestDamage(t *testing.T) {
	needSipp(t)
	t.Parallel()
	net := newNetwork()
	stopped, killed := stores(t, net)
	for kind, data := range map[string]string{"stopped": stopped, "killed": killed} {
		t.Run(kind, func(t *testing.T) {
			whole := copied(t, data)
			verify(t, whole)
			n := serve(t, newNetwork(), whole)
			n.interrupt(t)
			verify(t, whole)
		})
		for _, stream := range []string{"BOOK", "LOG"} {
			for _, where := range []string{"first", "middle", "last"} {
				t.Run(fmt.Sprintf("%s/%s/%s", kind, stream, where), func(t *testing.T) {
					t.Parallel()
					bad := copied(t, data)
					flip(t, bad, stream, where)
					refusesDamage(t, bad)
				})
			}
		}
	}
}

func refusesDamage(t *testing.T, data string) {
	t.Helper()
	code, stdout, stderr := tollbook(t, "verify", "--data", data)
	if strings.Contains(stderr, "tollbook-verify-") {
		t.Errorf("verify names a file that is gone: %s", stderr)
	}
	if code != 1 || !position.MatchString(stderr) || strings.Count(stderr, "\n") != 1 {
		t.Errorf("verify ends with code %d:\n%s%s", code, stdout, stderr)
	}
	start := time.Now()
	p := launchOn(t, data)
	if p.wait(t) != 1 {
		t.Errorf("serve ends with code %d", p.cmd.ProcessState.ExitCode())
	}
	lines := strings.Split(strings.TrimSpace(p.stderr.String()), "\n")
	last := lines[len(lines)-1]
	reason := strings.TrimSpace(stderr[max(0, strings.Index(stderr, "journal ")):])
	if !strings.HasPrefix(last, "tollbook serve: ") || !strings.Contains(last, reason) {
		t.Errorf("verify says %q\nserve says %q", reason, last)
	}
	if strings.Contains(p.stderr.String(), "serves calls") || time.Since(start) > patience/2 {
		t.Errorf("serve began to work:\n%s", p.stderr.String())
	}
}

// launchOn starts a switch that is not expected to go on.
func launchOn(t *testing.T, data string) *process {
	t.Helper()
	config := filepath.Join(t.TempDir(), "node.yaml")
	text := fmt.Sprintf("node: n1\ndata: %s\nhttp: 127.0.0.1:0\nsip: %s\n", data, newNetwork().addr(1))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return launch(t, "serve", "--config", config)
}
