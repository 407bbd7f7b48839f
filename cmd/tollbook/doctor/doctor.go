// Package doctor looks at a machine as a node will find it: what stops the
// switch, what will trouble it, and how either is mended. It changes nothing but
// a file of its own in the data directory, which it takes away again.
package doctor

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/tollbook/tollbook/cmd/tollbook/node"
	"github.com/tollbook/tollbook/events/state"
)

// Level says how bad a finding is.
type Level string

// The levels: all is well, it will trouble somebody, the switch cannot run.
const (
	OK   Level = "ok"
	Warn Level = "warn"
	Stop Level = "stop"
)

// Finding is one thing that was looked at.
type Finding struct {
	// Check is what was looked at, as "media.engine".
	Check string `json:"check"`
	Level Level  `json:"level"`
	// Text says what was found, Mend what to do about it; Mend is empty when
	// nothing is to be done.
	Text string `json:"text"`
	Mend string `json:"mend,omitempty"`
}

// Report is all findings, in the order in which they were made.
type Report struct {
	OK       bool      `json:"ok"` // nothing stops the switch
	Findings []Finding `json:"findings"`
}

// Stops is the number of findings that stop the switch.
func (r *Report) Stops() (n int) {
	for _, f := range r.Findings {
		if f.Level == Stop {
			n++
		}
	}
	return n
}

// Write writes the report for people.
func (r *Report) Write(w io.Writer) error {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%-4s  %-16s  %s\n", f.Level, f.Check, f.Text)
		if f.Mend != "" {
			fmt.Fprintf(&b, "%24s  mend: %s\n", "", f.Mend)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// visit is one look at a machine.
type visit struct {
	plan   node.Plan
	names  []string
	runs   bool // a node answers on the address of the API
	report Report
}

func (v *visit) add(check string, level Level, mend, format string, args ...any) {
	v.report.Findings = append(v.report.Findings, Finding{Check: check, Level: level, Text: fmt.Sprintf(format, args...), Mend: mend})
}

// Examine looks at the machine for a node with this configuration. Names are
// hosts of peers that the DNS should know.
func Examine(ctx context.Context, c node.Config, names []string) Report {
	v := &visit{names: names}
	v.add("version", OK, "", "tollbook %s, fold version %d, %s, %s", node.Version, state.FoldVersion, runtime.Version(), kernel())
	var err error
	if v.plan, err = c.Plan(); err != nil {
		v.add("configuration", Stop, "correct the key that is named; deploy/examples/node.yaml shows them all", "%v", err)
		return v.report
	}
	v.add("configuration", OK, "", "node %s", c.Node)
	for _, look := range []func(context.Context){
		v.running, v.listeners, v.web, v.media, v.files, v.ports, v.buffers, v.data, v.clock, v.resolver,
	} {
		look(ctx)
	}
	v.report.OK = v.report.Stops() == 0
	return v.report
}
