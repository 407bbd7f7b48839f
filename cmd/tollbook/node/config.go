package node

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tollbook/tollbook/events/cluster"
	"github.com/tollbook/tollbook/media/relay"
	"github.com/tollbook/tollbook/projections/mail"
	"github.com/tollbook/tollbook/sip/edge"
	"github.com/tollbook/tollbook/sip/gate"
)

// Config is a node's own file: what cannot be an event because it is needed to
// read events. Everything else is in the book.
type Config struct {
	// Node is the node's name: small letters, digits and dashes.
	Node string `yaml:"node"`
	// Data is the directory of the node's store.
	Data string `yaml:"data"`
	// HTTP is where the console and the API listen.
	HTTP string `yaml:"http"`
	// SIP says where signalling is taken: an address and port for UDP and TCP, or a
	// list of listeners.
	SIP Listeners `yaml:"sip"`
	// Shared are addresses that one node of the cluster has at a time.
	Shared Shared `yaml:"shared"`
	// Zone is a domain of DNS that this node answers for.
	Zone Zone `yaml:"zone"`
	// DNS are servers to ask for names, each an address and port; none asks those of
	// the system.
	DNS []string `yaml:"dns"`
	// Media says where RTP is relayed.
	Media Media `yaml:"media"`
	// Files says where recordings and captures are kept.
	Files Files `yaml:"files"`
	// CdrFiles says where files of CDRs may go.
	CdrFiles CdrFiles `yaml:"cdr_files"`
	// Webhooks says where events may be sent.
	Webhooks Webhooks `yaml:"webhooks"`
	// Mail says how people are told of events.
	Mail mail.Config `yaml:"mail"`
	// HEP says where a HOMER server gets the signalling.
	HEP HEP `yaml:"hep"`
	// ClickHouse says where CDRs are copied to.
	ClickHouse ClickHouse `yaml:"clickhouse"`
	// EventStore says where the book is copied to.
	EventStore EventStore `yaml:"eventstore"`
	// History says how long CDRs are kept.
	History History `yaml:"history"`
	// AcceptFold goes on where this program makes another state of the book than the one
	// before did. It is no matter of the file: it is meant once.
	AcceptFold bool `yaml:"-"`
	// MaxCalls bounds the calls in progress.
	MaxCalls int `yaml:"max_calls"`
	// Overload says when new calls are too many.
	Overload Overload `yaml:"overload"`
	// Memory says when garbage is collected.
	Memory Memory `yaml:"memory"`
	// Drain is how long a stop waits for calls to end by themselves, as 30s; new ones
	// are refused meanwhile.
	Drain string `yaml:"drain"`
	// Cluster says with which nodes this one replicates.
	Cluster Cluster `yaml:"cluster"`
}

// Overload says when new calls are too many: then they get a 503 with Retry-After.
type Overload struct {
	// Latency is the wait for a decision that even the quickest calls must not exceed,
	// as 500ms; 0s never limits the rate.
	Latency string `yaml:"latency"`
	// Waiting bounds the calls that wait for their decision at once.
	Waiting int `yaml:"waiting"`
}

// Media says where RTP is relayed.
type Media struct {
	// Address is one of this machine's, or a list of them: a call's leg is on the one
	// that its peer's signalling uses, else on the first of the far end's family. Empty
	// is all those of SIP.
	Address Addresses `yaml:"address"`
	// Engine is how packets are passed: one of relay.Engines.
	Engine string `yaml:"engine"`
	// Interfaces are those that media comes in by, for the engine ebpf; none means
	// those that carry the addresses.
	Interfaces []string `yaml:"interfaces"`
	// Ports is the range of UDP ports, as 20000-29999.
	Ports string `yaml:"ports"`
	// Timeout ends answered calls without RTP, as 5m; 0s lets them be.
	Timeout string `yaml:"timeout"`
}

// Default is a node that needs no file.
func Default() Config {
	return Config{
		Node: "n1", Data: "data", HTTP: "127.0.0.1:8080", SIP: ListenOn("127.0.0.1:5060"), MaxCalls: 5000,
		Media: Media{Engine: relay.EngineAuto, Ports: "20000-39999", Timeout: "0s"}, Overload: Overload{Latency: "500ms", Waiting: 2000}, Drain: "0s", Files: defaultFiles(), HEP: defaultHEP(), ClickHouse: defaultClickHouse(), EventStore: defaultEventStore(),
		Memory: defaultMemory(), Shared: Shared{Owner: ownerLease}, Zone: Zone{TTL: "5s"},
	}
}

var (
	nodeName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)
	goType   = regexp.MustCompile(`field (\S+) not found in type \S+`)
)

// ReadConfig reads a node's file over the defaults. An unknown key is an error.
func ReadConfig(path string) (Config, error) {
	c := Default()
	data, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("read the node's configuration: %w", err)
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		text := goType.ReplaceAllString(err.Error(), `unknown key "$1"`)
		text = strings.TrimPrefix(strings.Join(strings.Fields(text), " "), "yaml: unmarshal errors: ")
		return c, fmt.Errorf("%s: %s", path, text)
	}
	return c, nil
}

// settings are a Config's values, parsed.
type settings struct {
	Config
	sip              []gate.ListenerConfig
	shared           []edge.Address
	zoneAt           []netip.AddrPort
	zoneTTL          time.Duration
	media            []netip.Addr
	portMin, portMax uint16
	timeout          time.Duration
	latency, drain   time.Duration
	files            filesConfig
	cdrDir           string
	cdrAllow         []netip.Prefix
	hookAllow        []netip.Prefix
	mail             *mail.Sender
	memory           uint64         // 0 is no limit
	group            *cluster.Group // nil for a node alone
	wait             time.Duration
	takeover         time.Duration // 0 leaves the calls of silent nodes be
}

func (c Config) parse() (settings, error) {
	s := settings{Config: c}
	bad := func(key, value, want string) (settings, error) {
		return s, fmt.Errorf("node configuration: %s %q is not %s", key, value, want)
	}
	if !nodeName.MatchString(c.Node) {
		return bad("node", c.Node, "a name of small letters, digits and dashes")
	}
	var err error
	if s.sip, err = c.SIP.parse(); err != nil {
		return s, fmt.Errorf("node configuration: %w", err)
	}
	if s.shared, err = c.Shared.parse(s.sip); err != nil {
		return s, fmt.Errorf("node configuration: %w", err)
	}
	if s.zoneAt, s.zoneTTL, err = c.Zone.parse(); err != nil {
		return s, fmt.Errorf("node configuration: %w", err)
	}
	for i, server := range c.DNS {
		if at, err := netip.ParseAddrPort(server); err != nil || at.Port() == 0 {
			return bad(fmt.Sprintf("dns[%d]", i), server, "an address with a port, such as 192.0.2.53:53")
		}
	}
	if s.media, err = c.Media.addresses(s.sip); err != nil {
		return s, fmt.Errorf("node configuration: %w", err)
	}
	if !slices.Contains(relay.Engines(), cmp.Or(c.Media.Engine, relay.EngineAuto)) {
		return bad("media.engine", c.Media.Engine, "one of "+strings.Join(relay.Engines(), ", "))
	}
	low, high, ok := strings.Cut(c.Media.Ports, "-")
	from, err1 := strconv.ParseUint(low, 10, 16)
	to, err2 := strconv.ParseUint(high, 10, 16)
	if !ok || err1 != nil || err2 != nil || from < 1024 || to < from+3 {
		return bad("media.ports", c.Media.Ports, "a range of ports such as 20000-29999")
	}
	s.portMin, s.portMax = uint16(from), uint16(to)
	if s.timeout, err = time.ParseDuration(c.Media.Timeout); err != nil || s.timeout < 0 {
		return bad("media.timeout", c.Media.Timeout, "a duration such as 5m")
	}
	if s.latency, err = time.ParseDuration(c.Overload.Latency); err != nil || s.latency < 0 {
		return bad("overload.latency", c.Overload.Latency, "a duration such as 500ms")
	}
	if c.Overload.Waiting < 0 {
		return bad("overload.waiting", strconv.Itoa(c.Overload.Waiting), "a number of calls, or 0 for no bound")
	}
	if s.drain, err = time.ParseDuration(c.Drain); err != nil || s.drain < 0 || s.drain > time.Hour {
		return bad("drain", c.Drain, "a duration of an hour at most, such as 30s")
	}
	if s.files, err = c.Files.parse(c.Node, c.Data); err != nil {
		return s, fmt.Errorf("node configuration: %w", err)
	}
	if err := errors.Join(s.parseReach(c), c.HEP.check(), c.ClickHouse.check(), c.EventStore.check(), c.History.check()); err != nil {
		return s, fmt.Errorf("node configuration: %w", err)
	}
	if s.memory, err = c.Memory.parse(); err != nil {
		return s, fmt.Errorf("node configuration: %w", err)
	}
	if c.MaxCalls < 1 {
		return bad("max_calls", strconv.Itoa(c.MaxCalls), "at least 1")
	}
	if s.takeover, err = c.Cluster.takeOver(); err != nil {
		return s, err
	}
	if s.group, s.wait, err = c.Cluster.group(); err != nil {
		return s, err
	}
	return s, nil
}
