package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/tollbook/tollbook/cmd/tollbook/node"
)

// witness runs a third member beside two nodes that serve calls.
func witness(ctx context.Context, c *console, args []string) error {
	f := c.flags("witness", "runs a member of a cluster that only holds the streams and has a voice, until it is told to stop")
	config := f.String("config", "", "its configuration: node, data and cluster, as of a node")
	if err := parse(f, args, 0); err != nil {
		return err
	}
	if *config == "" {
		return usageError{errors.New("-config is needed")}
	}
	cfg, err := node.ReadConfig(*config)
	if err != nil {
		return err
	}
	log := logger(c)
	w, err := node.StartWitness(ctx, cfg, log)
	if err != nil {
		return unlessStopped(ctx, log, err)
	}
	fmt.Fprintf(c.err, "%s is a witness of cluster %s\n", cfg.Node, cfg.Cluster.Name)
	notify(log, notifyReady)
	err = w.Run(ctx)
	notify(log, notifyStopping)
	return errors.Join(err, w.Close())
}
