package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tollbook/tollbook/cmd/tollbook/node"
	"github.com/tollbook/tollbook/media/archive"
)

// checked is what a check found.
type checked struct {
	Files    int       `json:"files"`
	Bytes    int64     `json:"bytes"`
	Findings []finding `json:"findings"`
}

// finding is a file that is not as its event says.
type finding struct {
	Name string `json:"name"`
	// What is "damaged", "missing", "removed" (and still there) or "unknown": its own
	// node has no event of it.
	What string `json:"what"`
	// Mended says that it is as it should be now; Why why it is not.
	Mended bool   `json:"mended"`
	Why    string `json:"why,omitempty"`
}

func filesCheck(ctx context.Context, c *console, args []string) error {
	f := c.flags("files check", "reads all files on this machine's disk and compares them with their events, or copies with the hashes that came with them")
	config := f.String("config", "", "the node's configuration; its API says what should be there")
	repair := f.Bool("repair", false, "have the node fetch what is damaged or missing from other nodes")
	output := f.String("o", "text", "text or json")
	cl := clientFlags(f)
	if err := parse(f, args, 0); err != nil {
		return err
	}
	if *config == "" || !slices.Contains([]string{"text", "json"}, *output) {
		return usageError{errors.New("-config is needed, -o is text or json")}
	}
	cfg, err := node.ReadConfig(*config)
	if err != nil {
		return err
	}
	found, err := checkFiles(ctx, cl, cfg)
	if err != nil {
		return err
	}
	left := 0
	for i := range found.Findings {
		one := &found.Findings[i]
		if *repair && (one.What == "damaged" || one.What == "missing") {
			if err := cl.fetchFile(ctx, one.Name); err != nil {
				one.Why = err.Error()
			} else {
				one.Mended = true
			}
		}
		if !one.Mended {
			left++
		}
	}
	if err := found.write(c, *output); err != nil || left == 0 {
		return err
	}
	return fmt.Errorf("%d files are not as they should be", left)
}

// checkFiles compares the disk with what the node knows.
func checkFiles(ctx context.Context, cl *client, cfg node.Config) (*checked, error) {
	dir, err := cfg.FilesDir()
	if err != nil {
		return nil, err
	}
	known := map[string]apiFile{}
	err = cl.eachFile(ctx, map[string]any{"removed": true}, func(f apiFile) error {
		known[f.Name] = f
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := &checked{Findings: []finding{}}
	err = archive.Inspect(ctx, dir, func(i archive.Inspected) error {
		out.Files++
		out.Bytes += i.Size
		f, ok := known[i.Name.String()]
		delete(known, i.Name.String())
		var what string
		switch want := fmt.Sprintf("%x", i.Written); {
		case !ok && i.Name.Node == cfg.Node:
			what = "unknown"
		case ok && f.State == "REMOVED":
			what = "removed"
		case ok && f.SHA256 != fmt.Sprintf("%x", i.SHA256), !ok && want != fmt.Sprintf("%x", i.SHA256):
			what = "damaged"
		default:
			return nil
		}
		out.Findings = append(out.Findings, finding{Name: i.Name.String(), What: what})
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if f := known[name]; f.Node == cfg.Node && f.State != "REMOVED" {
			out.Findings = append(out.Findings, finding{Name: name, What: "missing"})
		}
	}
	return out, nil
}

func (r *checked) write(c *console, output string) error {
	if output == "json" {
		return c.json(r)
	}
	for _, f := range r.Findings {
		state := ""
		if f.Mended {
			state = ", mended"
		} else if f.Why != "" {
			state = ", not mended: " + f.Why
		}
		fmt.Fprintf(c.out, "%s %s%s\n", f.Name, f.What, state)
	}
	_, err := fmt.Fprintf(c.out, "%d files of %d bytes read, %d findings\n", r.Files, r.Bytes, len(r.Findings))
	return err
}
