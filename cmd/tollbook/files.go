package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/tollbook/tollbook/cmd/tollbook/node"
	"github.com/tollbook/tollbook/media/rsync"
)

// files is about recordings and captures.
func files(ctx context.Context, c *console, args []string) error {
	verbs := map[string]func(context.Context, *console, []string) error{
		"list": filesList, "check": filesCheck, "fetch": filesFetch, "identity": filesIdentity, "send": filesSend,
	}
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		f := c.flags("files", "list, check and fetch recordings and captures; identity writes the key for rsync-ssl")
		if err := parse(f, args, 0); err != nil {
			return err
		}
		return usageError{errors.New("say list, check, fetch or identity")}
	}
	verb := verbs[args[0]]
	if verb == nil {
		return usageError{fmt.Errorf("%q is not list, check, fetch or identity", args[0])}
	}
	return verb(ctx, c, args[1:])
}

// filesSend serves one connection of the files' daemon, which a node starts.
func filesSend(ctx context.Context, _ *console, args []string) error {
	if len(args) != 1 {
		return usageError{errors.New("send is started by a node, with the directory of its files")}
	}
	return rsync.Serve(ctx, args[0], os.Stdin, os.Stdout)
}

// filesIdentity writes the certificate and the key that other programs need.
func filesIdentity(_ context.Context, c *console, args []string) error {
	f := c.flags("files identity", "write the certificate and the key that the nodes share, for RSYNC_SSL_CERT and RSYNC_SSL_KEY of rsync-ssl; whoever has them may copy all files")
	config := f.String("config", "", "the node's configuration")
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
	certificate, key, err := node.FilesIdentity(cfg)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.out, "%s%s", certificate, key)
	return err
}
