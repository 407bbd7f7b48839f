package cluster

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Group says with which nodes a node replicates. The streams of a group of three
// or more are held by three of them, so one may die; a group of two can lose
// neither.
type Group struct {
	// Name is the group's, the same on every node.
	Name string
	// Members are the addresses, host and port, at which each node listens to the
	// others, by node. This node is one of them.
	Members map[string]string
	// Listen is where this node listens, if that is not its address in Members.
	Listen string
	// TLS holds this node's certificate and the authority that signed those of all:
	// a node talks to nobody else.
	TLS *tls.Config
	// Quick uses short timers: a dead leader is replaced in 1 to 2 s instead of 4 to
	// 9. It is for nodes on one network whose disks and processors are not
	// overloaded, and must be the same on all of them.
	Quick bool
}

// mostReplicas is how many nodes hold each stream, where there are so many.
const mostReplicas = 3

// MaxMembers bounds a group.
const MaxMembers = 32

// Replicas is how many nodes hold each stream of the group; of no group it is one.
func (g *Group) Replicas() int {
	if g == nil {
		return 1
	}
	return min(len(g.Members), mostReplicas)
}

func (g *Group) check(node string) error {
	if g.Name == "" || strings.ContainsAny(g.Name, " \t\r\n") {
		return fmt.Errorf("cluster name %q: give a word", g.Name)
	}
	if len(g.Members) < 2 || len(g.Members) > MaxMembers {
		return fmt.Errorf("cluster %s has %d members: give 2 to %d", g.Name, len(g.Members), MaxMembers)
	}
	if g.Members[node] == "" {
		return fmt.Errorf("cluster %s: this node, %s, is not among its members", g.Name, node)
	}
	for name, address := range g.Members {
		if err := checkName(name); err != nil {
			return fmt.Errorf("cluster %s: %w", g.Name, err)
		}
		if _, _, err := splitAddress(address); err != nil {
			return fmt.Errorf("cluster %s: member %s: %w", g.Name, name, err)
		}
	}
	if g.TLS == nil || len(g.TLS.Certificates) == 0 || g.TLS.RootCAs == nil || g.TLS.ClientCAs == nil || g.TLS.ClientAuth != tls.RequireAndVerifyClientCert {
		return fmt.Errorf("cluster %s: nodes must prove who they are: a certificate and its authority are needed both ways", g.Name)
	}
	return nil
}

func splitAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("address %q is not a host and a port", address)
	}
	port, err = strconv.Atoi(text)
	if err != nil || port < 1 || port > 65535 || host == "" {
		return "", 0, fmt.Errorf("address %q is not a host and a port", address)
	}
	return host, port, nil
}

// apply makes a server one of the group.
func (g *Group) apply(node string, o *server.Options) error {
	listen := g.Listen
	if listen == "" {
		listen = g.Members[node]
	}
	host, port, err := splitAddress(listen)
	if err != nil {
		return fmt.Errorf("cluster %s: listen: %w", g.Name, err)
	}
	o.Cluster = server.ClusterOpts{
		Name: g.Name, Host: host, Port: port, Advertise: g.Members[node],
		TLSConfig: g.TLS, TLSTimeout: 5,
		Compression: server.CompressionOpts{Mode: server.CompressionOff},
	}
	// Every member is named, this node too: the count of routes is the size of the
	// group that elects its first leader.
	for _, address := range g.Members {
		o.Routes = append(o.Routes, &url.URL{Scheme: "nats-route", Host: address})
	}
	rejoinShortly()
	if g.Quick {
		quickElections()
	}
	return nil
}

// groupFile names the group in the data directory: a store alone and one of a group
// cannot be opened as each other, since the server would drop the streams.
const groupFile = "cluster"

// IsReplica tells whether a data directory is that of a group's node.
func IsReplica(dir string) bool { return exists(filepath.Join(dir, groupFile)) }

// checkGroup refuses to open a store as what it is not. The mark is written before a
// first start.
func checkGroup(dir string, g *Group) error {
	path := filepath.Join(dir, groupFile)
	text, err := os.ReadFile(path)
	marked := strings.TrimSpace(string(text))
	switch {
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("read the mark of the cluster: %w", err)
	case g == nil && err == nil:
		return fmt.Errorf("the store in %s is part of cluster %s: name its members in the node's configuration", dir, marked)
	case g == nil:
		return nil
	case err == nil && marked != g.Name:
		return fmt.Errorf("the store in %s is part of cluster %s, not of %s", dir, marked, g.Name)
	case err == nil:
		return nil
	case exists(filepath.Join(dir, server.JetStreamStoreDir)):
		return fmt.Errorf("the store in %s is that of a node alone; opened in a cluster it would be lost. \"tollbook node grow\" makes one for a cluster out of it", dir)
	}
	if err := os.WriteFile(path, []byte(g.Name+"\n"), 0o600); err != nil {
		return fmt.Errorf("mark the store: %w", err)
	}
	return nil
}

// waiting is how often a node that waits for others says so.
const waiting = 5 * time.Second
