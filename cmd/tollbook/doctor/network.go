package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tollbook/tollbook/media/relay"
	"github.com/tollbook/tollbook/sip/locate"
)

// answerTime is how long others may take to answer.
const answerTime = 3 * time.Second

// running finds out whether a node is up here: then its ports are taken by right.
func (v *visit) running(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+v.plan.HTTP+"/-/healthy", nil)
	if err != nil {
		return // what the address is worth is told at web
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	if v.runs = err == nil && res.StatusCode == http.StatusOK; v.runs {
		v.add("node", OK, "", "a node answers on http://%s: ports that are taken are taken to be its own", v.plan.HTTP)
	}
}

// listeners tries the sockets of SIP.
func (v *visit) listeners(context.Context) {
	for _, l := range v.plan.SIP {
		for _, transport := range slices.Sorted(maps.Keys(l.Ports)) {
			at := netip.AddrPortFrom(l.Addr, l.Ports[transport])
			network := "tcp"
			if transport == "udp" {
				network = "udp"
			}
			v.bind("sip."+transport, network, at.String())
		}
	}
}

func (v *visit) web(context.Context) { v.bind("http", "tcp", v.plan.HTTP) }

// bind tries an address that the switch will listen on.
func (v *visit) bind(check, network, addr string) {
	var socket io.Closer
	var err error
	if network == "udp" {
		socket, err = net.ListenPacket(network, addr)
	} else {
		socket, err = net.Listen(network, addr)
	}
	if err == nil {
		err = socket.Close()
	}
	switch {
	case err == nil:
		v.add(check, OK, "", "%s is free", addr)
	case errors.Is(err, syscall.EADDRINUSE) && v.runs:
		v.add(check, OK, "", "%s is in use, by the node that runs", addr)
	case errors.Is(err, syscall.EADDRINUSE):
		v.add(check, Stop, fmt.Sprintf("end the program that has it (ss -lnp | grep '%s') or choose another port in the node's file", addr), "%s is in use by another program", addr)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		v.add(check, Stop, "name an address of this machine in the node's file (ip addr lists them)", "%s is not an address of this machine", addr)
	case errors.Is(err, syscall.EACCES):
		v.add(check, Stop, "choose a port from 1024 on, or give the process CAP_NET_BIND_SERVICE", "%s may not be opened: %v", addr, err)
	default:
		v.add(check, Stop, "correct the address in the node's file", "%s: %v", addr, err)
	}
}

// media opens each engine for a moment and says which one will run.
func (v *visit) media(context.Context) {
	try := func(engine string) (name, why string, err error) {
		e, err := relay.Open(relay.Config{
			Addresses: v.plan.Media, Engine: engine, Interfaces: v.plan.Config.Media.Interfaces,
			PortMin: v.plan.PortMin, PortMax: v.plan.PortMax, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			return "", "", err
		}
		defer e.Close()
		name, why = e.Engine()
		return name, why, nil
	}
	asked := v.plan.Config.Media.Engine
	name, why, err := try(asked)
	switch {
	case err != nil:
		v.add("media.engine", Stop, "correct media in the node's file; the addresses must be this machine's", "no engine runs: %v", err)
		return
	case asked != "" && asked != relay.EngineAuto && asked != name:
		v.add("media.engine", Warn, "mend the cause, or name another engine in media.engine", "%s runs in place of %s: %s", name, asked, why)
	default:
		v.add("media.engine", OK, "", "%s runs: %s", name, why)
	}
	for _, other := range relay.Engines() {
		if other == name || other == relay.EngineAuto {
			continue
		}
		if got, why, err := try(other); err != nil {
			v.add("media."+other, OK, "", "cannot run here: %v", err)
		} else if got != other {
			v.add("media."+other, OK, "", "cannot run here: %s", why)
		} else {
			v.add("media."+other, OK, "", "could run, too")
		}
	}
}

// resolver asks the DNS.
func (v *visit) resolver(ctx context.Context) {
	servers := "the system's servers"
	if len(v.plan.DNS) > 0 {
		servers = strings.Join(v.plan.DNS, ", ")
	}
	if len(v.names) == 0 {
		v.add("dns", OK, "", "no names to ask %s for; --names a,b or --token asks for those of peers", servers)
		return
	}
	l, err := locate.New(v.plan.DNS)
	if err != nil {
		v.add("dns", Warn, "name servers in dns in the node's file", "%v", err)
		return
	}
	for _, name := range v.names {
		v.locate(ctx, l, name)
	}
}

// locate looks a name up as a call to it would, in both families.
func (v *visit) locate(ctx context.Context, l *locate.Locator, name string) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	var all []locate.Address
	var problem error
	for _, six := range []bool{false, true} {
		found, err := l.Locate(ctx, locate.Target{Host: name, Six: six})
		all = append(all, found...)
		problem = errors.Join(problem, err)
	}
	if len(all) == 0 {
		v.add("dns", Warn, "correct the name at its peer, or the DNS: calls to it fail", "%s: %v", name, problem)
		return
	}
	v.add("dns", OK, "", "%s is %v", name, all)
}
