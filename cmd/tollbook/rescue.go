package main

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"time"

	"github.com/tollbook/tollbook/cmd/tollbook/node"
	"github.com/tollbook/tollbook/events/wire"
)

// rescue makes a new cluster, or a node alone, from the only store that is left.
func rescue(ctx context.Context, c *console, args []string) error {
	f := c.flags("rescue", "when most stores of a cluster are lost for good: fills the empty store of a node from the one that is left, and writes down in the book what was lost; in a cluster the other nodes are started with empty stores and wait")
	r := node.Rescue{Actor: "rescue"}
	f.StringVar(&r.Data, "data", "", "the data directory that is left; its node must not run, and it stays as it is")
	f.StringVar(&r.Key, "key", "", "the cluster.key that it was used with; by default the one that the configuration's node has")
	f.StringVar(&r.Reason, "reason", "", "what has happened; it is written into the book")
	f.Func("lost", "the data directory of a lost node whose heads.log can be read, to know more of what is missing; may be repeated", func(dir string) error {
		r.Heads = append(r.Heads, dir)
		return nil
	})
	config := f.String("config", "", "the configuration of the new node, whose data directory is empty")
	if err := parse(f, args, 0); err != nil {
		return err
	}
	if r.Data == "" || r.Reason == "" || *config == "" {
		return usageError{errors.New("-data, -config and -reason are needed")}
	}
	if who, err := user.Current(); err == nil {
		r.Actor = "rescue:" + who.Username
	}
	cfg, err := node.ReadConfig(*config)
	if err != nil {
		return err
	}
	lost, err := r.Make(ctx, cfg, logger(c))
	if err != nil {
		return err
	}
	tellRescue(c, lost)
	fmt.Fprintln(c.out, "rescued: start the node")
	return nil
}

// tellRescue says where each journal was lost.
func tellRescue(c *console, r *wire.StoreRescued) {
	for _, j := range r.Journals {
		until := "nothing"
		if j.Number > 0 {
			until = fmt.Sprintf("block %d, position %d, %s", j.Number, j.Position, time.UnixMicro(j.TimeUs).UTC().Format(time.RFC3339Nano))
		}
		fmt.Fprintf(c.out, "%-20s kept up to %s", j.Journal, until)
		if j.HeardNumber > j.Number {
			fmt.Fprintf(c.out, "; %d blocks up to %d, position %d, are missing", j.HeardNumber-j.Number, j.HeardNumber, j.HeardPosition)
		}
		fmt.Fprintln(c.out)
	}
}
