package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/cluster"
)

// fleet are the nodes of a demo of several: processes of their own on loopback, with one
// shared address that customers call. Killing one is what it is for.
type fleet struct {
	o     demoOptions
	c     *console
	dir   string
	names []string
	token string

	mu    sync.Mutex
	nodes map[string]*exec.Cmd
	ended chan error
}

const (
	// readyWithin is how long the nodes may take to be ready together.
	readyWithin = time.Minute
	readyPoll   = 200 * time.Millisecond
	// mostNodes bounds a demo: each has addresses and ports of its own.
	mostNodes = 5
)

// runNodes runs the demo on several nodes.
func (o demoOptions) runNodes(ctx context.Context, c *console) error {
	f := &fleet{o: o, c: c, dir: filepath.Join(o.data, "nodes"), nodes: map[string]*exec.Cmd{}, ended: make(chan error, 1)}
	for i := range o.nodes {
		f.names = append(f.names, "n"+strconv.Itoa(i+1))
	}
	if err := f.prepare(); err != nil {
		return err
	}
	defer f.killAll()
	for _, name := range f.names {
		if err := f.start(name); err != nil {
			return err
		}
	}
	if err := f.await(ctx); err != nil {
		return err
	}
	if err := f.world(ctx); err != nil {
		return fmt.Errorf("make the demo's world: %w", err)
	}
	if o.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.duration)
		defer cancel()
	}
	go f.obey(ctx, os.Stdin)
	err := o.traffic(ctx, f)
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-f.ended:
		}
	}
	return errors.Join(err, f.conclude())
}

// prepare writes the secrets and the nodes' configurations.
func (f *fleet) prepare() error {
	at, err := netip.ParseAddrPort(f.o.sip)
	if err != nil {
		return usageError{fmt.Errorf("-sip %q is not an address and port", f.o.sip)}
	}
	secrets := filepath.Join(f.dir, "secrets")
	if _, err := os.Stat(secrets); errors.Is(err, os.ErrNotExist) {
		if err := cluster.MakeSecrets(secrets, "demo", "", time.Now()); err != nil {
			return err
		}
	}
	if f.token, err = demoPassword(f.dir); err != nil {
		return err
	}
	members := ""
	for i, name := range f.names {
		members += fmt.Sprintf("    %s: %s\n", name, f.route(i, at))
	}
	for i, name := range f.names {
		if err := cluster.Admit(secrets, f.path(name, "secrets"), name, f.route(i, at), time.Now()); err != nil {
			return err
		}
		ports := 20000 + i*4000
		text := fmt.Sprintf("node: %s\ndata: %s\nhttp: %s\nmedia: {ports: %d-%d}\nsip:\n- {name: own, address: \"%s:%d\"}\n- {name: shared, address: %q}\n"+
			"shared:\n  addresses: [{address: %s/8}]\n  dispatch: true\ncluster:\n  name: demo\n  secrets: %s\n  elections: quick\n  members:\n%s",
			name, f.path(name, "data"), f.http(i), ports, ports+3999, f.own(i), at.Port(), f.o.sip, at.Addr(), f.path(name, "secrets"), members)
		if err := os.WriteFile(f.path(name, "yaml"), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (f *fleet) path(name, what string) string { return filepath.Join(f.dir, name+"."+what) }

// own is a node's own address: 127.0.0.31 and on.
func (f *fleet) own(i int) netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 0, byte(31 + i)}) }

func (f *fleet) route(i int, at netip.AddrPort) string {
	return netip.AddrPortFrom(f.own(i), at.Port()+1).String()
}

// http is where a node's console listens: the first at the demo's, the others behind it.
func (f *fleet) http(i int) string {
	host, port, err := net.SplitHostPort(f.o.http)
	number, err2 := strconv.Atoi(port)
	if errors.Join(err, err2) != nil || number == 0 {
		return f.o.http
	}
	return net.JoinHostPort(host, strconv.Itoa(number+i))
}

func (f *fleet) url(i int) string { return "http://" + f.http(i) }

// start starts a node that is not there.
func (f *fleet) start(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.nodes[name] != nil {
		return fmt.Errorf("%s is running", name)
	}
	own, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(f.path(name, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	cmd := exec.Command(own, "serve", "--config", f.path(name, "yaml"))
	cmd.Stderr, cmd.Env = log, append(os.Environ(), adminToken+"="+f.token)
	apart(cmd) // Ctrl-C is for the demo, which ends its nodes itself
	if err := errors.Join(cmd.Start(), log.Close()); err != nil {
		return err
	}
	f.nodes[name] = cmd
	go func() {
		err := cmd.Wait()
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.nodes[name] == cmd {
			delete(f.nodes, name)
			fmt.Fprintf(f.c.err, "%s has ended: %v; its log is %s; \"start %s\" starts it again\n", name, err, f.path(name, "log"), name)
		}
	}()
	return nil
}

// kill ends a node without a word, as a power cut would.
func (f *fleet) kill(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	cmd := f.nodes[name]
	if cmd == nil {
		return fmt.Errorf("%s is not running", name)
	}
	return cmd.Process.Kill()
}

func (f *fleet) killAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, cmd := range f.nodes {
		delete(f.nodes, name)
		_ = cmd.Process.Kill() // it may have ended
	}
}

// obey does what is typed: "kill n2", "start n2".
func (f *fleet) obey(ctx context.Context, in io.Reader) {
	for lines := bufio.NewScanner(in); ctx.Err() == nil && lines.Scan(); {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) == 0:
			continue
		case len(words) != 2 || !slices.Contains(f.names, words[1]) || words[0] != "kill" && words[0] != "start":
			fmt.Fprintf(f.c.err, "say kill or start, and one of %s\n", strings.Join(f.names, ", "))
			continue
		}
		do := f.kill
		if words[0] == "start" {
			do = f.start
		}
		if err := do(words[1]); err != nil {
			fmt.Fprintln(f.c.err, err)
		}
	}
}

// await waits until all nodes are ready.
func (f *fleet) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for i, name := range f.names {
		for {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url(i)+"/-/ready", http.NoBody)
			if err != nil {
				return err
			}
			res, err := http.DefaultClient.Do(req)
			if err == nil {
				err = res.Body.Close()
			}
			if err == nil && res.StatusCode == http.StatusOK {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s is not ready after %v: look at %s", name, readyWithin, f.path(name, "log"))
			case <-time.After(readyPoll):
			}
		}
	}
	return nil
}

// ask asks the nodes in turn until one answers.
func (f *fleet) ask(ctx context.Context, query string, variables map[string]any, out any) error {
	var err error
	for i := range f.names {
		cl := &client{url: f.url(i), token: f.token}
		if err = cl.do(ctx, query, variables, out); err == nil {
			return nil
		}
	}
	return err
}

// world declares what is called and by whom, and tells how to look at it.
func (f *fleet) world(ctx context.Context) error {
	text, err := demoDocument(f.o.sip)
	if err != nil {
		return err
	}
	var made struct {
		WorldApply applied `json:"worldApply"`
	}
	if err := f.ask(ctx, applyMutation, map[string]any{"input": map[string]any{"yaml": string(text), "note": "the demo's world"}}, &made); err != nil {
		return err
	}
	if err := refused(made.WorldApply.UserErrors); err != nil {
		return err
	}
	for _, opening := range demoOpenings {
		if err := f.Credit(ctx, opening.account, opening.amount, "opening balance", events.KeyOf("demo", "opening", opening.account)); err != nil {
			return err
		}
	}
	password := rand.Text()[:12]
	var user struct {
		UserPut struct {
			UserErrors []userError `json:"userErrors"`
		} `json:"userPut"`
	}
	const mutation = `mutation ($input: UserPutInput!) { userPut(input: $input) { userErrors { code message path } } }`
	if err := f.ask(ctx, mutation, map[string]any{"input": map[string]any{"key": "admin", "name": "Demo admin", "role": "ADMIN", "password": password}}, &user); err != nil {
		return err
	}
	if err := refused(user.UserPut.UserErrors); err != nil {
		return err
	}
	for i, name := range f.names {
		fmt.Fprintf(f.c.err, "%s:       %s/nodes   calls on %s:%s, log in %s\n", name, f.url(i), f.own(i), f.o.sip[strings.LastIndex(f.o.sip, ":")+1:], f.path(name, "log"))
	}
	fmt.Fprintf(f.c.err, "Console:  any of them; sign in as admin with password %s\n", password)
	fmt.Fprintf(f.c.err, "Calls:    SIP on %s, which the nodes share, data in %s\n", f.o.sip, f.dir)
	fmt.Fprintf(f.c.err, "Try:      type \"kill %s\" and watch its calls go on; \"start %s\" brings it back; Ctrl-C ends the demo\n", f.names[0], f.names[0])
	return nil
}

// Credit posts money as an admin.
func (f *fleet) Credit(ctx context.Context, account, amount, reason string, key events.Key) error {
	var answer struct {
		AccountCredit struct {
			UserErrors []userError `json:"userErrors"`
		} `json:"accountCredit"`
	}
	var known struct {
		Account *struct {
			Currency string `json:"currency"`
		} `json:"account"`
	}
	id := "account:" + account
	if err := f.ask(ctx, `query ($id: ID!) { account(id: $id) { currency } }`, map[string]any{"id": id}, &known); err != nil {
		return err
	}
	if known.Account == nil {
		return fmt.Errorf("there is no account %s", account)
	}
	err := f.ask(ctx, `mutation ($in: AccountCreditInput!) { accountCredit(input: $in) { userErrors { code message path } } }`,
		map[string]any{"in": map[string]any{
			"idempotencyKey": fmt.Sprintf("%x", key[:]), "account": id, "reason": reason,
			"amount": map[string]any{"amount": amount, "currency": known.Account.Currency},
		}}, &answer)
	return errors.Join(err, refused(answer.AccountCredit.UserErrors))
}

// Failed never tells: a node that ends is what the demo shows.
func (f *fleet) Failed() <-chan error { return f.ended }

// Settle waits a moment for calls to end and be charged.
func (f *fleet) Settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		var live struct {
			LiveCalls struct {
				Nodes []struct{ ID string } `json:"nodes"`
			} `json:"liveCalls"`
		}
		if err := f.ask(ctx, `{ liveCalls(first: 1) { nodes { id } } }`, nil, &live); err != nil || len(live.LiveCalls.Nodes) == 0 {
			return
		}
		time.Sleep(readyPoll)
	}
}

// conclude stops the nodes in good order and verifies their stores.
func (f *fleet) conclude() error {
	f.mu.Lock()
	running := f.nodes
	f.nodes = map[string]*exec.Cmd{}
	f.mu.Unlock()
	for _, cmd := range running {
		_ = cmd.Process.Signal(os.Interrupt) // it may have ended
	}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(readyPoll) {
		if !slices.ContainsFunc(f.names, func(name string) bool { return running[name] != nil && !gone(running[name]) }) {
			break
		}
	}
	var errs []error
	all := map[string]verified{}
	for _, name := range f.names {
		r, err := verifyDir(context.Background(), f.path(name, "data"), false)
		r.Verify = "ok"
		if err != nil {
			r.Verify = err.Error()
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
		all[name] = r
	}
	if f.o.output == "json" {
		return errors.Join(append(errs, f.c.json(map[string]any{"nodes": all}))...)
	}
	for _, name := range f.names {
		r := all[name]
		fmt.Fprintf(f.c.out, "%s: %d holds, %d charges, %d legs, %d accounts overspent, state %.12s, verify %s\n", name, r.Holds, r.Charges, r.Legs, r.Overspent, r.State, r.Verify)
	}
	return errors.Join(errs...)
}

// gone says that a process does not exist any more.
func gone(cmd *exec.Cmd) bool { return cmd.Process.Signal(nothing) != nil }
