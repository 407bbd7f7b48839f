package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/tollbook/tollbook/cmd/tollbook/node"
	"github.com/tollbook/tollbook/deploy"
	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/resolve"
)

// demoOptions are the demo's flags.
type demoOptions struct {
	duration  time.Duration
	output    string
	data      string
	http, sip string
	noTraffic bool
	rate      float64
	nodes     int
}

func demo(ctx context.Context, c *console, args []string) error {
	var o demoOptions
	f := c.flags("demo", "runs a switch with a made-up world and real calls over loopback")
	f.DurationVar(&o.duration, "duration", 0, "ends by itself after so long; 0 runs until Ctrl-C")
	f.StringVar(&o.output, "o", "text", "text or json: what is printed at the end")
	f.StringVar(&o.data, "data", filepath.Join(os.TempDir(), "tollbook-demo"), "the directory of the store; a second start goes on with it")
	f.StringVar(&o.http, "http", "127.0.0.1:8080", "where the console listens")
	f.StringVar(&o.sip, "sip", "127.0.0.1:5060", "where the switch takes calls; customers and vendors use 127.0.0.11 to .25 with the same port")
	f.BoolVar(&o.noTraffic, "no-traffic", false, "the same world without generated calls")
	f.Float64Var(&o.rate, "rate", 3, "generated calls a second")
	f.IntVar(&o.nodes, "nodes", 1, "3 to 5 run so many nodes as processes of their own, which share the address -sip and have consoles at -http and behind; \"kill n1\" kills one")
	if err := parse(f, args, 0); err != nil {
		return err
	}
	if o.nodes != 1 && (o.nodes < 3 || o.nodes > mostNodes) {
		return usageError{fmt.Errorf("-nodes %d is not 1, or 3 to %d", o.nodes, mostNodes)}
	}
	if o.output != "text" && o.output != "json" {
		return usageError{fmt.Errorf("-o %q is neither text nor json", o.output)}
	}
	if o.rate <= 0 || o.rate > 1000 {
		return usageError{fmt.Errorf("-rate %g is not above 0 and at most 1000", o.rate)}
	}
	if o.nodes > 1 {
		return o.runNodes(ctx, c)
	}
	return o.run(ctx, c)
}

func (o demoOptions) run(ctx context.Context, c *console) error {
	cfg := node.Default()
	cfg.Data, cfg.HTTP, cfg.SIP = o.data, o.http, node.ListenOn(o.sip)
	cfg.Media.Ports = "20000-29999"
	n, err := node.Start(ctx, cfg, demoLogger(c))
	if err != nil {
		return err
	}
	if err := o.prepare(ctx, c, n); err != nil {
		return errors.Join(err, n.Close())
	}
	if o.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.duration)
		defer cancel()
	}
	err = o.traffic(ctx, n)
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-n.Failed():
		}
	}
	summary, sumErr := n.Summary(context.WithoutCancel(ctx))
	if err := errors.Join(err, sumErr, n.Close()); err != nil {
		return err
	}
	return o.conclude(c, summary)
}

// prepare declares the world, opens balances and tells how to sign in.
func (o demoOptions) prepare(ctx context.Context, c *console, n *node.Node) error {
	if err := demoWorld(ctx, n, o.sip); err != nil {
		return fmt.Errorf("make the demo's world: %w", err)
	}
	given := os.Getenv(adminToken)
	if given != "" {
		if _, _, err := n.FirstAdmin(ctx, given); err != nil {
			return err
		}
	}
	password, err := demoPassword(o.data)
	if err != nil {
		return err
	}
	if err := n.EnsureUser(ctx, "admin", "Demo admin", password, wire.Role_ROLE_ADMIN); err != nil {
		return err
	}
	fmt.Fprintf(c.err, "Console:  http://%s   sign in as admin with password %s\n", n.Address(), password)
	fmt.Fprintf(c.err, "Calls:    SIP on %s, data in %s\n", o.sip, o.data)
	if !o.noTraffic {
		fmt.Fprintln(c.err, "Traffic:  three customers call through five vendors; Ctrl-C ends the demo")
	}
	return nil
}

// demoPassword is kept beside the store, so that a second start tells it again.
func demoPassword(dir string) (string, error) {
	path := filepath.Join(dir, "demo.password")
	if old, err := os.ReadFile(path); err == nil {
		return string(old), nil
	}
	password := rand.Text()[:12]
	if err := os.WriteFile(path, []byte(password), 0o600); err != nil {
		return "", fmt.Errorf("keep the demo's password: %w", err)
	}
	return password, nil
}

// demoWorld applies the example world, with the vendors on the switch's port, and
// gives the customers their opening balances once.
func demoWorld(ctx context.Context, n *node.Node, sip string) error {
	text, err := demoDocument(sip)
	if err != nil {
		return err
	}
	change, err := n.ApplyWorld(ctx, resolve.WorldEdit{YAML: string(text), Actor: "demo", Note: "the demo's world"})
	if err != nil {
		return err
	}
	if change.Position > 0 {
		if err := n.Await(ctx, change.Position); err != nil {
			return err
		}
	}
	for _, opening := range demoOpenings {
		if err := n.Credit(ctx, opening.account, opening.amount, "opening balance", events.KeyOf("demo", "opening", opening.account)); err != nil {
			return err
		}
	}
	return nil
}

// demoOpenings are the customers' opening balances.
var demoOpenings = []struct{ account, amount string }{
	{"northwind-usd", "100"}, {"baltic-eur", "50"}, {"callcard-usd", "0.15"},
}

// demoDocument is the example world with the vendors on the switch's port.
func demoDocument(sip string) ([]byte, error) {
	doc, err := deploy.Examples.ReadFile("examples/world.yaml")
	if err != nil {
		return nil, err
	}
	dir, err := subExamples()
	if err != nil {
		return nil, err
	}
	text, err := inline(doc, dir)
	if err != nil {
		return nil, err
	}
	return withPort(text, sip)
}

func (o demoOptions) conclude(c *console, s node.Summary) error {
	report, err := verifyDir(context.Background(), o.data, false)
	s.Verify = "ok"
	if err != nil {
		s.Verify = err.Error()
	}
	s.Overspent, s.Legs = report.Overspent, report.Legs
	if o.output == "json" {
		if err := c.json(s); err != nil {
			return err
		}
	} else {
		s.Print(c.out)
	}
	if s.Verify != "ok" {
		return errors.New("the store does not verify")
	}
	return nil
}

// addressOf is one of the demo's own addresses, with the switch's port.
func addressOf(last byte, sip string) (netip.AddrPort, error) {
	at, err := netip.ParseAddrPort(sip)
	if err != nil {
		return at, usageError{fmt.Errorf("-sip %q is not an address and port", sip)}
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, last}), at.Port()), nil
}
