package node

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/tollbook/tollbook/sip/gate"
)

// maxListeners bounds the local addresses.
const maxListeners = 32

// Listeners are the local addresses of the signalling. In the file they are a list,
// or the one address and port of a listener named "default" for UDP and TCP.
type Listeners []Listener

// Listener is a local address with a port for each transport.
type Listener struct {
	// Name is what peers name to be bound to it.
	Name string `yaml:"name"`
	// Address is one of this machine's.
	Address string `yaml:"address"`
	// Advertised is told to the far ends where a router maps Address.
	Advertised string `yaml:"advertised"`
	// UDP to WSS are ports; a transport without one is not served.
	UDP uint16 `yaml:"udp"`
	TCP uint16 `yaml:"tcp"`
	TLS uint16 `yaml:"tls"`
	WS  uint16 `yaml:"ws"`
	WSS uint16 `yaml:"wss"`
	// Certificate and Key are PEM files for TLS and WSS, read anew when they change.
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	// Authorities is a PEM file of those that far ends' certificates must come from;
	// without it the system's are trusted, and none is asked of who calls us.
	Authorities string `yaml:"authorities"`
	// Redirect sends new calls that come by it on to the nodes that take calls, by a 302,
	// to their own addresses.
	Redirect bool `yaml:"redirect"`
	// Connections bounds the streams that are open; 0 is 2000.
	Connections int `yaml:"connections"`
}

// ListenOn is one listener for UDP and TCP.
func ListenOn(address string) Listeners { return Listeners{{Name: "default", Address: address}} }

// UnmarshalYAML reads a list or one address.
func (l *Listeners) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*l = ListenOn(node.Value)
		return nil
	}
	var list []Listener
	if err := strict(node, &list); err != nil {
		return err
	}
	*l = list
	return nil
}

// strict decodes and refuses unknown keys, which a decoder forgets to do below a
// type that decodes itself.
func strict(node *yaml.Node, list *[]Listener) error {
	if err := node.Decode(list); err != nil {
		return err
	}
	known := map[string]bool{}
	for _, k := range []string{"name", "address", "advertised", "udp", "tcp", "tls", "ws", "wss",
		"certificate", "key", "authorities", "connections", "redirect"} {
		known[k] = true
	}
	for _, item := range node.Content {
		for i := 0; i+1 < len(item.Content); i += 2 {
			if k := item.Content[i]; !known[k.Value] {
				return fmt.Errorf("line %d: field %s not found in type listener", k.Line, k.Value)
			}
		}
	}
	return nil
}

// String names them for people.
func (l Listeners) String() string {
	var out []string
	for _, one := range l {
		out = append(out, one.Address)
	}
	return strings.Join(out, ", ")
}

func (l Listeners) parse() ([]gate.ListenerConfig, error) {
	if len(l) == 0 || len(l) > maxListeners {
		return nil, fmt.Errorf("sip names %d listeners: 1 to %d are possible", len(l), maxListeners)
	}
	var out []gate.ListenerConfig
	names := map[string]bool{}
	taken := map[string]string{}
	for i, one := range l {
		c, err := one.parse()
		if err != nil {
			return nil, fmt.Errorf("sip[%d] %q: %w", i, one.Name, err)
		}
		if names[c.Name] {
			return nil, fmt.Errorf("sip[%d]: there are two listeners named %q", i, c.Name)
		}
		names[c.Name] = true
		if i == 0 && c.Redirect {
			return nil, fmt.Errorf("sip[0] %q: the first listener cannot redirect: calls must come somewhere", one.Name)
		}
		for transport, port := range c.Ports {
			kind := "tcp"
			if transport == "udp" {
				kind = "udp"
			}
			at := kind + " " + netip.AddrPortFrom(c.Addr, port).String()
			if other := taken[at]; other != "" {
				return nil, fmt.Errorf("sip[%d] %q: %s %s is taken by %s", i, c.Name, transport, at[4:], other)
			}
			taken[at] = c.Name + " " + transport
		}
		out = append(out, c)
	}
	return out, nil
}

func (one Listener) parse() (gate.ListenerConfig, error) {
	c := gate.ListenerConfig{
		Name: one.Name, Redirect: one.Redirect, Advertised: one.Advertised, MaxConnections: one.Connections, Ports: map[string]uint16{},
	}
	if !nodeName.MatchString(one.Name) {
		return c, errors.New("a name of small letters, digits and dashes is needed")
	}
	for transport, port := range map[string]uint16{"udp": one.UDP, "tcp": one.TCP, "tls": one.TLS, "ws": one.WS, "wss": one.WSS} {
		if port != 0 {
			c.Ports[transport] = port
		}
	}
	at, err := netip.ParseAddrPort(one.Address)
	switch {
	case err == nil && len(c.Ports) == 0:
		c.Addr = at.Addr()
		c.Ports["udp"], c.Ports["tcp"] = at.Port(), at.Port()
	case err == nil:
		return c, fmt.Errorf("address %q has a port, and so have the transports: leave one of them out", one.Address)
	default:
		if c.Addr, err = netip.ParseAddr(one.Address); err != nil || len(c.Ports) == 0 {
			return c, fmt.Errorf("address %q is not one of this machine with a port, such as 192.0.2.1:5060, "+
				"nor one without, such as 192.0.2.1, beside ports such as udp: 5060", one.Address)
		}
	}
	if c.Addr.IsUnspecified() || c.Addr.Is4In6() || at.IsValid() && at.Port() == 0 {
		return c, fmt.Errorf("address %q is not a single address of this machine with a port: far ends must be told one", one.Address)
	}
	if one.Connections < 0 {
		return c, fmt.Errorf("connections %d is negative", one.Connections)
	}
	return c, one.checkFiles()
}

// checkFiles says what certificates are missing.
func (one Listener) checkFiles() error {
	secure := one.TLS != 0 || one.WSS != 0
	switch {
	case secure && (one.Certificate == "" || one.Key == ""):
		return errors.New("tls and wss need a certificate and a key: PEM files")
	case (one.Certificate == "") != (one.Key == ""):
		return errors.New("certificate and key belong together")
	case !secure && (one.Certificate != "" || one.Authorities != ""):
		return errors.New("a certificate or authorities are for tls and wss, which have no port")
	}
	return nil
}
