// Command tollbook is a VoIP switch that keeps the books while it connects the
// calls.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// command is one of the program's subcommands.
type command struct {
	name, about string
	run         func(ctx context.Context, out *console, args []string) error
}

func commands() []command {
	return []command{
		{"demo", "run a switch with a made-up world and real calls over loopback", demo},
		{"serve", "run a node", serve},
		{"node", "make the secrets of a cluster, admit nodes, remove one, grow a node alone to a cluster", members},
		{"witness", "run a member of a cluster that only holds the streams and has a voice", witness},
		{"backup", "copy the books into a directory", backUp},
		{"restore", "fill an empty store from a backup", restore},
		{"rescue", "make a new cluster from the only store that is left", rescue},
		{"apply", "make the configuration what a file says", apply},
		{"import", "give a deck new prices from a file", importFile},
		{"export", "write a deck's prices to a file", exportFile},
		{"files", "list, check and fetch recordings and captures", files},
		{"verify", "check a store: every block, every posting, every price", verify},
		{"proof", "write a proof of one event, for somebody who has only the public key", proof},
		{"simulate", "ask a running node what a call would do", simulate},
		{"statement", "print what was posted on an account in some days", statement},
		{"period", "close an account's period, or list those that are closed", period},
		{"token", "make and revoke tokens for programs", token},
		{"doctor", "look at this machine: what would stop or trouble a node, and the mend", examine},
		{"bench", "measure this machine", bench},
		{"version", "say which version this is", version},
	}
}

// console is where a command writes: results to out, words for people to err.
type console struct{ out, err io.Writer }

// json writes one object for programs.
func (c *console) json(v any) error {
	e := json.NewEncoder(c.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// usageError is a mistake in the command line: it ends with code 2 and a hint.
type usageError struct{ error }

// gcPercent lets the heap grow to three times what is in use before it is
// collected: calls make much garbage and keep little. $GOGC has precedence.
// Towards heapMost it is collected more often again; $GOMEMLIMIT has precedence.
const (
	gcPercent = 200
	heapMost  = 1900 << 20
)

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(heapMost)
	}
	// A first signal asks for an orderly end, a second one ends at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, &console{os.Stdout, os.Stderr}, os.Args[1:]))
}

func run(ctx context.Context, c *console, args []string) int {
	if len(args) == 0 {
		usage(c.err)
		return 2
	}
	for _, cmd := range commands() {
		if cmd.name == args[0] {
			return c.end(cmd, cmd.run(ctx, c, args[1:]))
		}
	}
	if args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		usage(c.out)
		return 0
	}
	fmt.Fprintf(c.err, "tollbook: there is no command %q; \"tollbook help\" lists them\n", args[0])
	return 2
}

func (c *console) end(cmd command, err error) int {
	var wrong usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintf(c.err, "tollbook %s: %v; \"tollbook %s -h\" lists the flags\n", cmd.name, err, cmd.name)
		return 2
	default:
		fmt.Fprintf(c.err, "tollbook %s: %v\n", cmd.name, err)
		return 1
	}
}

func usage(w io.Writer) {
	fmt.Fprint(w, "Usage: tollbook COMMAND [flags]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-9s  %s\n", c.name, c.about)
	}
	fmt.Fprint(w, "\n\"tollbook COMMAND -h\" lists a command's flags.\n")
}

// flags makes a command's set of flags; parse reads the arguments with it and
// allows at most some that are no flags.
func (c *console) flags(name, about string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(c.out)
	f.Usage = func() {
		fmt.Fprintf(c.out, "tollbook %s: %s\n\n", name, about)
		f.PrintDefaults()
	}
	return f
}

func parse(f *flag.FlagSet, args []string, most int) error {
	help, out := f.Usage, f.Output()
	f.Usage = func() {}
	f.SetOutput(io.Discard) // a mistake is one line on the error output, nothing here
	err := f.Parse(args)
	f.SetOutput(out)
	if errors.Is(err, flag.ErrHelp) {
		help()
		return err
	}
	if err != nil {
		return usageError{err}
	}
	if f.NArg() > most {
		return usageError{fmt.Errorf("%q is too much", f.Arg(most))}
	}
	return nil
}
