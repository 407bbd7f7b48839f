package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// A proxy that does nothing but pass calls on: no account, no price, no CDR.
const kamailioConfig = `
debug=0
log_stderror=yes
children=2
listen=udp:127.0.0.2:15060
disable_tcp=yes
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/:/usr/lib64/kamailio/modules/:/usr/lib/aarch64-linux-gnu/kamailio/modules/"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "siputils.so"
request_route {
	if (has_totag()) {
		loose_route();
		t_relay();
		exit;
	}
	if (is_method("CANCEL")) {
		if (t_check_trans()) t_relay();
		exit;
	}
	record_route();
	$du = "sip:127.0.0.42:15060";
	t_relay();
}
`

// beside measures the same calls through Kamailio, at the same rate.
func (g *sipFigures) beside(ctx context.Context, load sippLoad) error {
	program, err := exec.LookPath("kamailio")
	if err != nil {
		return errors.New("the package kamailio is not installed")
	}
	path := filepath.Join(load.dir, "kamailio.cfg")
	if err := os.WriteFile(path, []byte(kamailioConfig), 0o600); err != nil {
		return err
	}
	run := filepath.Join(load.dir, "kamailio")
	if err := os.Mkdir(run, 0o700); err != nil {
		return err
	}
	p, err := start(ctx, run, os.Environ(), program, "-DD", "-E", "-f", path, "-x", "tlsf", "-X", "tlsf", "-m", "512", "-M", "16", "-Y", run, "-P", filepath.Join(run, "pid"))
	if err != nil {
		return err
	}
	defer p.stop()
	select {
	case <-p.over:
		return p.failure()
	case <-time.After(2 * time.Second):
	}
	before, err := p.cpu()
	if err != nil {
		return err
	}
	seen, err := load.calls(ctx, "127.0.0.2", g.Rate)
	if err != nil {
		return err
	}
	after, err := p.cpu()
	if err != nil {
		return err
	}
	g.KamailioCPUMSPerCall = perCall(after-before, seen.Calls+seen.Failed)
	if g.KamailioCPUMSPerCall > 0 {
		g.Ratio = g.CPUMSPerCall / g.KamailioCPUMSPerCall
	}
	return nil
}
