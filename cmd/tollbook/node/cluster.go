package node

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/tollbook/tollbook/events/cluster"
)

// Cluster says with which nodes this one replicates. It is empty for a node alone.
type Cluster struct {
	// Name is the cluster's, the same on every node.
	Name string `yaml:"name"`
	// Members are the addresses at which the nodes listen to each other, host and
	// port, by node; this node is one of them. All must be there at the first start.
	Members map[string]string `yaml:"members"`
	// Listen is where this node listens, if not at its address in Members.
	Listen string `yaml:"listen"`
	// Secrets is the directory that "tollbook node admit" made for this node.
	Secrets string `yaml:"secrets"`
	// Elections is "quick" for nodes on one network, or "slow", the default.
	Elections string `yaml:"elections"`
	// TakeOver is how long a node gives no sign of life before the others take over its
	// calls, as 3s, the default with quick elections (10s with slow ones); 0s leaves
	// them be.
	TakeOver string `yaml:"take_over"`
	// Wait is how long a start waits until enough of the others are there, as 5m.
	Wait string `yaml:"wait"`
}

// group reads the secrets that a Cluster names; nil is a node alone.
func (c Cluster) group() (*cluster.Group, time.Duration, error) {
	if c.Name == "" && len(c.Members) == 0 {
		return nil, 0, nil
	}
	g := &cluster.Group{Name: c.Name, Members: c.Members, Listen: c.Listen}
	switch c.Elections {
	case "", "slow":
	case "quick":
		g.Quick = true
	default:
		return nil, 0, fmt.Errorf("node configuration: cluster.elections %q is not \"quick\" or \"slow\"", c.Elections)
	}
	wait := time.Duration(0) // the store's own default
	var err error
	if c.Wait != "" {
		if wait, err = time.ParseDuration(c.Wait); err != nil || wait <= 0 {
			return nil, 0, fmt.Errorf("node configuration: cluster.wait %q is not a duration such as 5m", c.Wait)
		}
	}
	if c.Secrets == "" {
		return nil, 0, fmt.Errorf("node configuration: cluster.secrets is empty: name the directory that \"tollbook node admit\" made")
	}
	if g.TLS, err = cluster.NodeTLS(c.Secrets); err != nil {
		return nil, 0, fmt.Errorf("node configuration: cluster.secrets: %w", err)
	}
	return g, wait, nil
}

// takeOver is the parsed TakeOver; 0 never takes a call over.
func (c Cluster) takeOver() (time.Duration, error) {
	switch {
	case c.Name == "" && len(c.Members) == 0:
		return 0, nil
	case c.TakeOver == "" && c.Elections == "quick":
		return quickTakeOver, nil
	case c.TakeOver == "":
		return slowTakeOver, nil
	}
	d, err := time.ParseDuration(c.TakeOver)
	if err != nil || d != 0 && (d < leastTakeOver || d > mostTakeOver) {
		return 0, fmt.Errorf("node configuration: cluster.take_over %q is not a duration from %v to %v such as 3s, or 0s", c.TakeOver, leastTakeOver, mostTakeOver)
	}
	return d, nil
}

const (
	quickTakeOver = 3 * time.Second
	slowTakeOver  = 10 * time.Second
	leastTakeOver = 2 * time.Second // nodes ask each other every second
	mostTakeOver  = 50 * time.Second
)

// keyDir is where the cluster key lies: a cluster's is given to its nodes, that of a
// node alone is made in its data directory.
func (s settings) keyDir() string {
	if s.group != nil {
		return filepath.Clean(s.Cluster.Secrets)
	}
	return s.Data
}
