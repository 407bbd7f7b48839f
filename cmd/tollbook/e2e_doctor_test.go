package main_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/tollbook/tollbook/cmd/tollbook/doctor"
)

// The doctor knows a node that runs from a stranger on its ports, asks it for its
// peers' names, and ends with code 1 when nothing can run.
func TestDoctor(t *testing.T) {
	t.Parallel()
	n := serve(t, newNetwork(), t.TempDir())
	s := &stage{name: "doc", sell: sellPrice, buy: buyPrice, vendors: []string{", host: vendor.invalid"}}
	n.apply(t, world(n, []*stage{s}))
	at := strings.TrimPrefix(n.url, "http://")
	for _, c := range []struct {
		name, http string
		code       int
	}{{"the node runs", at, 0}, {"a stranger runs", "127.0.0.1:1", 1}} {
		config := n.config + "." + strings.Fields(c.name)[0]
		text := "data: " + n.data + "\nhttp: " + c.http + "\nsip: " + n.net.addr(1) + "\ndns: [\"127.0.0.1:9\"]\n"
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := tollbook(t, "doctor", "--config", config, "--url", n.url, "--token", adminSecret, "-o", "json")
		var r doctor.Report
		if err := json.Unmarshal([]byte(stdout), &r); err != nil || code != c.code || r.OK != (code == 0) {
			t.Fatalf("%s: code %d, %v\n%s%s", c.name, code, err, stdout, stderr)
		}
		asked := false
		for _, f := range r.Findings {
			asked = asked || f.Check == "dns" && f.Level == doctor.Warn && strings.Contains(f.Text, "vendor.invalid")
			if f.Check == "sip.udp" && (f.Level == doctor.Stop) != (c.code == 1) {
				t.Errorf("%s: %+v", c.name, f)
			}
		}
		if !asked {
			t.Errorf("%s: the name of the vendor is not asked for:\n%s", c.name, stdout)
		}
	}
	code, stdout, _ := tollbook(t, "doctor", "--config", n.config+".a")
	if code != 1 || !strings.Contains(stdout, "mend: end the program that has it") {
		t.Errorf("code %d:\n%s", code, stdout)
	}
}
