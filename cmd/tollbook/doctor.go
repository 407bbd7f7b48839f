package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/tollbook/tollbook/cmd/tollbook/doctor"
	"github.com/tollbook/tollbook/cmd/tollbook/node"
)

func examine(ctx context.Context, c *console, args []string) error {
	f := c.flags("doctor", "looks at this machine as a node will find it, and says what to mend")
	config := f.String("config", "", "the node's configuration, a YAML file; without it the defaults")
	output := f.String("o", "text", "text or json")
	names := f.String("names", "", "hosts to ask the DNS for, with commas between them")
	cl := clientFlags(f)
	if err := parse(f, args, 0); err != nil {
		return err
	}
	if *output != "text" && *output != "json" {
		return usageError{fmt.Errorf("-o %q is neither text nor json", *output)}
	}
	cfg := node.Default()
	if *config != "" {
		var err error
		if cfg, err = node.ReadConfig(*config); err != nil {
			return err
		}
	}
	hosts := strings.FieldsFunc(*names, func(r rune) bool { return r == ',' })
	if cl.token != "" {
		configured, err := cl.hosts(ctx)
		if err != nil { // a node that does not run cannot be asked; the rest can be looked at
			fmt.Fprintf(c.err, "tollbook doctor: the node is not asked for the names of peers: %v\n", err)
		}
		hosts = append(hosts, configured...)
	}
	slices.Sort(hosts)
	report := doctor.Examine(ctx, cfg, slices.Compact(hosts))
	var err error
	if *output == "json" {
		err = c.json(report)
	} else {
		err = report.Write(c.out)
	}
	if err == nil && !report.OK {
		err = fmt.Errorf("%d findings stop the switch", report.Stops())
	}
	return err
}

// mostHosts bounds the names that are asked for.
const mostHosts = 500

// hosts are the terminators' names that the DNS has to know.
func (cl *client) hosts(ctx context.Context) ([]string, error) {
	var hosts []string
	for after := any(nil); len(hosts) < mostHosts; {
		var page struct {
			Terminators struct {
				Edges []struct{ Node struct{ Host string } }
				Page  struct {
					More bool   `json:"hasNextPage"`
					End  string `json:"endCursor"`
				} `json:"pageInfo"`
			}
		}
		err := cl.do(ctx, `query ($after: Cursor) { terminators(first: 100, after: $after) { edges { node { host } } pageInfo { hasNextPage endCursor } } }`,
			map[string]any{"after": after}, &page)
		if err != nil {
			return hosts, err
		}
		for _, e := range page.Terminators.Edges {
			if _, err := netip.ParseAddr(strings.Trim(e.Node.Host, "[]")); err != nil && e.Node.Host != "" {
				hosts = append(hosts, e.Node.Host)
			}
		}
		if !page.Terminators.Page.More {
			break
		}
		after = page.Terminators.Page.End
	}
	return hosts, nil
}
