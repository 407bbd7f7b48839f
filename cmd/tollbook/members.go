package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tollbook/tollbook/events/cluster"
)

// members makes what the nodes of a cluster know each other by.
func members(ctx context.Context, c *console, args []string) error {
	f := c.flags("node", "init makes the secrets of a new cluster; admit NODE HOST:PORT makes what one of its nodes needs of them; drain NODE has one take no new calls, undrain NODE has it take them again; remove NODE takes one out of a running cluster for good; grow fills the empty store of a new cluster from that of a node alone")
	secrets := f.String("secrets", "cluster-secrets", "the directory of the cluster's secrets, kept apart from its nodes")
	key := f.String("key", "", "init: the cluster key of a node or backup that the cluster continues; by default a new one is made")
	name := f.String("name", "tollbook", "init: the cluster's name")
	data := f.String("data", "", "grow: the store of the node alone, which is stopped")
	config := f.String("config", "", "grow: the configuration of the node in the cluster, with an empty data directory")
	force := f.Bool("force", false, "remove: although the node is up")
	cl := clientFlags(f)
	to := f.String("to", "", "admit: the directory to make, to be brought to the node")
	verb := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		verb, args = args[0], args[1:]
	}
	var words []string
	for len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		words, args = append(words, args[0]), args[1:]
	}
	if err := parse(f, args, 0); err != nil {
		return err
	}
	switch {
	case verb == "init" && len(words) == 0:
		if err := cluster.MakeSecrets(*secrets, *name, *key, time.Now()); err != nil {
			return err
		}
		fmt.Fprintf(c.out, "%s holds the secrets of cluster %s: keep it apart from the nodes, and safe\n", *secrets, *name)
		return nil
	case verb == "admit" && len(words) == 2 && *to != "":
		if err := cluster.Admit(*secrets, *to, words[0], words[1], time.Now()); err != nil {
			return err
		}
		fmt.Fprintf(c.out, "%s is for node %s: bring it there and name it as cluster.secrets in the node's configuration\n", *to, words[0])
		return nil
	case verb == "grow" && len(words) == 0 && *data != "" && *config != "":
		return grow(ctx, c, *data, *config)
	case (verb == "drain" || verb == "undrain") && len(words) == 1:
		return drainNode(ctx, c, cl, verb, words[0])
	case verb == "remove" && len(words) == 1:
		return removeNode(ctx, c, cl, words[0], *force)
	default:
		return usageError{errors.New("say init, admit NODE HOST:PORT -to DIRECTORY, drain NODE, undrain NODE, remove NODE, or grow -data DIRECTORY -config FILE")}
	}
}

func removeNode(ctx context.Context, c *console, cl *client, node string, force bool) error {
	var answer struct {
		NodeRemove struct {
			UserErrors []userError `json:"userErrors"`
		} `json:"nodeRemove"`
	}
	const mutation = `mutation ($input: NodeRemoveInput!) { nodeRemove(input: $input) { userErrors { code message path } } }`
	if err := cl.do(ctx, mutation, map[string]any{"input": map[string]any{"node": node, "force": force}}, &answer); err != nil {
		return err
	}
	if err := refused(answer.NodeRemove.UserErrors); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s is no member any more and is not let in again: take it out of the other nodes' configurations, too\n", node)
	return nil
}

// drainNode has a node take no new calls, or take them again.
func drainNode(ctx context.Context, c *console, cl *client, verb, node string) error {
	type payload struct {
		Member     *struct{ Calls int }
		UserErrors []userError `json:"userErrors"`
	}
	var answer struct{ NodeDrain, NodeUndrain payload }
	mutation, said := "nodeDrain", &answer.NodeDrain
	if verb == "undrain" {
		mutation, said = "nodeUndrain", &answer.NodeUndrain
	}
	query := fmt.Sprintf(`mutation ($input: NodeDrainInput!) { %s(input: $input) { member { calls } userErrors { code message path } } }`, mutation)
	if err := cl.do(ctx, query, map[string]any{"input": map[string]any{"node": node}}, &answer); err != nil {
		return err
	}
	if err := refused(said.UserErrors); err != nil {
		return err
	}
	calls := 0
	if said.Member != nil {
		calls = said.Member.Calls
	}
	if verb == "drain" {
		fmt.Fprintf(c.out, "%s takes no new calls; %d go on\n", node, calls)
	} else {
		fmt.Fprintf(c.out, "%s takes new calls again\n", node)
	}
	return nil
}
