package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/tollbook/tollbook/cmd/tollbook/node"
)

// adminToken is the environment's variable with the first admin's token.
const adminToken = "TOLLBOOK_ADMIN_TOKEN"

func serve(ctx context.Context, c *console, args []string) error {
	f := c.flags("serve", "runs a node until it is told to stop (SIGINT, SIGTERM)")
	config := f.String("config", "", "the node's configuration, a YAML file; without it: node n1 on 127.0.0.1 with data in ./data")
	accept := f.Bool("accept-fold", false, "goes on although this program makes another state of the last day of the book than the one before did")
	if err := parse(f, args, 0); err != nil {
		return err
	}
	cfg := node.Default()
	if *config != "" {
		var err error
		if cfg, err = node.ReadConfig(*config); err != nil {
			return err
		}
	}
	cfg.AcceptFold = *accept
	log := logger(c)
	n, err := node.Start(ctx, cfg, log)
	if err != nil {
		return unlessStopped(ctx, log, err)
	}
	secret, made, err := n.FirstAdmin(ctx, os.Getenv(adminToken))
	if err != nil {
		return errors.Join(err, n.Close())
	}
	if made {
		fmt.Fprintf(c.err, "The first admin's token, shown once: %s\n", secret)
	}
	fmt.Fprintf(c.err, "Tollbook serves calls on %s and people on http://%s\n", cfg.SIP, n.Address())
	notify(log, notifyReady)
	return untilStopped(ctx, n, log)
}

// unlessStopped passes over what came of being stopped while starting: a node may wait long
// for the others.
func unlessStopped(ctx context.Context, log *slog.Logger, err error) error {
	if ctx.Err() == nil {
		return err
	}
	log.Warn("stopped before it served", "err", err)
	return nil
}

// untilStopped waits for the end, ordered or not.
func untilStopped(ctx context.Context, n *node.Node, log *slog.Logger) error {
	select {
	case <-ctx.Done():
		notify(log, notifyStopping)
		return n.Close()
	case err := <-n.Failed():
		notify(log, notifyStopping)
		return errors.Join(err, n.Close())
	}
}

func logger(c *console) *slog.Logger {
	return slog.New(slog.NewJSONHandler(c.err, &slog.HandlerOptions{Level: slog.LevelInfo}))
}
