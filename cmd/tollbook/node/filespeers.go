package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/tollbook/tollbook/events/cluster"
	"github.com/tollbook/tollbook/media/archive"
	"github.com/tollbook/tollbook/media/rsync"
)

// FilePeer is a node that files are copied from.
type FilePeer struct {
	Node string `yaml:"node"`
	// Address is where its files.listen is reached: a host and a port.
	Address string `yaml:"address"`
}

// maxFilePeers bounds the nodes that are copied from.
const maxFilePeers = 64

// checkPeers looks at what the files' daemon and its peers are said to be.
func (f Files) checkPeers(self string) error {
	if f.Listen != "" && f.Listen != noFiles {
		if at, err := netip.ParseAddrPort(f.Listen); err != nil || at.Port() == 0 {
			return fmt.Errorf("files.listen %q is not an address with a port, such as 192.0.2.1:8873", f.Listen)
		}
		if err := f.checkPlain("files.listen", f.Listen); err != nil {
			return err
		}
	}
	if len(f.Peers) > maxFilePeers {
		return fmt.Errorf("files.peers names %d nodes: %d at most", len(f.Peers), maxFilePeers)
	}
	seen := map[string]bool{self: true}
	for i, p := range f.Peers {
		where := fmt.Sprintf("files.peers[%d]", i)
		if !nodeName.MatchString(p.Node) || seen[p.Node] {
			return fmt.Errorf("%s.node %q is not the name of another node, named once", where, p.Node)
		}
		seen[p.Node] = true
		if host, port, err := net.SplitHostPort(p.Address); err != nil || host == "" || port == "" {
			return fmt.Errorf("%s.address %q is not a host with a port, such as 192.0.2.2:8873", where, p.Address)
		}
		if err := f.checkPlain(where+".address", p.Address); err != nil {
			return err
		}
	}
	return nil
}

// checkPlain refuses to speak without encryption where others listen.
func (f Files) checkPlain(key, address string) error {
	if !f.Plain {
		return nil
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil || !at.Addr().IsLoopback() && !at.Addr().IsPrivate() {
		return fmt.Errorf("%s %q is not a loopback or private address: files.plain would send recordings there for everybody to hear; take it out", key, address)
	}
	return nil
}

// identity is what the nodes that share files know each other by; nil is nothing.
func (f Files) identity(key *cluster.Key) (*rsync.Identity, error) {
	if f.Plain {
		return nil, nil
	}
	var err error
	if f.Key != "" {
		if key, err = cluster.ReadKey(f.Key); err != nil {
			return nil, fmt.Errorf("files.key: %w", err)
		}
	}
	secret, err := key.Derive("files")
	if err != nil {
		return nil, err
	}
	return rsync.NewIdentity(secret)
}

const (
	// noFiles as files.listen lets nobody copy.
	noFiles = "none"
	// filesPort is where a cluster's nodes let each other copy.
	filesPort = "8873"
)

// filesListen is where other nodes copy this one's files from, empty for nowhere.
func (s settings) filesListen() string {
	switch l := s.Files.Listen; {
	case l == noFiles:
		return ""
	case l != "" || s.group == nil:
		return l
	}
	host, _, err := net.SplitHostPort(s.group.Members[s.Node])
	if err != nil {
		return ""
	}
	if _, err := netip.ParseAddr(host); err != nil || s.Files.Plain {
		return "" // a name is no address to listen at, and nothing goes plainly unasked
	}
	return net.JoinHostPort(host, filesPort)
}

// filePeers are the nodes that files are copied from now: those that are named, and those
// of the cluster that say where.
func (n *Node) filePeers() (peers []archive.Peer) {
	named := map[string]bool{n.settings.Node: true}
	for _, p := range n.settings.Files.Peers {
		peers = append(peers, archive.Peer(p))
		named[p.Node] = true
	}
	for _, p := range n.Places() {
		if p.Files != "" && !named[p.Node] && len(peers) < maxFilePeers {
			peers = append(peers, archive.Peer{Node: p.Node, Address: p.Files})
		}
	}
	return peers
}

// shareFiles lets other nodes copy the files and copies theirs.
func (n *Node) shareFiles(context.Context) error {
	f := n.settings.Files
	listen := n.settings.filesListen()
	if listen == "" && len(f.Peers) == 0 && n.settings.group == nil {
		return nil
	}
	id, err := f.identity(n.key)
	if err != nil {
		return err
	}
	limiter := rsync.NewLimiter(int64(n.settings.files.bandwidth))
	if listen != "" {
		switch err := n.serveFiles(listen, id, limiter); {
		case err != nil && f.Listen == "":
			n.log.Error("the other nodes cannot copy recordings and captures from here; name files.listen", "err", err)
		case err != nil:
			return fmt.Errorf("open the files to other nodes: %w", err)
		}
	}
	c := archive.SyncConfig{Identity: id, Limiter: limiter, Peers: n.filePeers}
	n.task("copy files", func(ctx context.Context) error { return n.files.Sync(ctx, c) })
	return nil
}

// serveFiles runs the daemon. Each connection is served by this program in another
// process ("tollbook files send").
func (n *Node) serveFiles(listen string, id *rsync.Identity, limiter *rsync.Limiter) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	c := rsync.DaemonConfig{Command: []string{program, "files", "send", n.files.Tree()}, Limiter: limiter, Log: n.log}
	if id != nil {
		c.TLS = id.TLS()
	}
	d, err := rsync.Listen(listen, c)
	if err != nil {
		return err
	}
	n.onClose(d.Close)
	return nil
}

// FilesIdentity is the certificate and the key with which rsync-ssl, too, is known to
// the nodes of a configuration.
func FilesIdentity(c Config) (certificate, key []byte, err error) {
	s, err := c.parse()
	if err != nil {
		return nil, nil, err
	}
	if s.Files.Plain {
		return nil, nil, errors.New("the files are shared plainly (files.plain): there is no key")
	}
	of := (*cluster.Key)(nil)
	if s.Files.Key == "" {
		if of, err = cluster.OpenKey(s.keyDir()); err != nil {
			return nil, nil, err
		}
	}
	id, err := s.Files.identity(of)
	if err != nil {
		return nil, nil, err
	}
	return id.PEM()
}
