package rsync

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gokrazy/rsync/rsyncd"
)

// Serve is what a connection's process does: it gives what lies in a directory to the
// one that speaks on in and out, and ends.
func Serve(ctx context.Context, dir string, in io.Reader, out io.Writer) error {
	if err := behave(); err != nil {
		return err
	}
	server, err := rsyncd.NewServer([]rsyncd.Module{{Name: Module, Path: dir}}, rsyncd.WithLogger(words{}))
	if err != nil {
		return err
	}
	g := &guard{from: bufio.NewReader(in)}
	conn := struct {
		io.Reader
		io.Writer
	}{g, &asAsked{ctx, g, out}}
	err = server.HandleDaemonConn(ctx, conn, &net.IPAddr{IP: net.IPv4zero})
	if g.refused == nil {
		return err
	}
	return errors.Join(g.refused, refuse(out, g.refused))
}

// refuse tells a client why, where the transfer would begin: a seed and a frame with
// a message.
func refuse(out io.Writer, why error) error {
	text := "this daemon: " + why.Error() + "\n"
	frame := binary.LittleEndian.AppendUint32(make([]byte, 4), uint32(tagBase+tagError)<<24|uint32(len(text)))
	_, err := out.Write(append(frame, text...))
	return err
}

// asAsked writes within the bandwidth that the client asked for.
type asAsked struct {
	ctx context.Context
	g   *guard
	out io.Writer
}

func (w *asAsked) Write(p []byte) (int, error) {
	n, err := w.out.Write(p)
	if l := w.g.bandwidth; l != nil && err == nil {
		err = l.wait(w.ctx, n)
	}
	return n, err
}

// words is a logger. What is said of each session nobody reads; what is said before
// the process ends itself the node hears.
type words struct{}

func (words) Printf(string, ...any) {}

func (words) Output(_ int, text string) error {
	_, err := fmt.Fprintln(os.Stderr, text)
	return err
}

// guard passes on what a client says, and looks at the words before the transfer: the
// daemon behind it believes any path and reads any option.
type guard struct {
	from *bufio.Reader
	line int
	rest string // of a line that did not fit
	args []string
	free bool
	// bandwidth is what the client asked for.
	bandwidth *Limiter
	// refused is why nothing more is passed on.
	refused error
}

var (
	shortOptions = regexp.MustCompile(`^-[a-zA-Z]+(\.[a-zA-Z]*)?$`)
	longOptions  = regexp.MustCompile(`^--(server|sender|partial|list-only|(bwlimit|timeout)=[0-9]{1,9})$`)
)

func (g *guard) Read(p []byte) (int, error) {
	if g.rest == "" {
		if g.free {
			return g.from.Read(p)
		}
		line, err := readLine(g.from)
		if err != nil {
			return 0, err
		}
		if err := g.check(line); err != nil {
			return 0, err
		}
		g.line++
		if text, ok := strings.CutPrefix(line, "--bwlimit="); ok {
			// In units of 1024 bytes. The daemon behind does not know the option.
			units, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return 0, err
			}
			g.bandwidth = NewLimiter(units << 10)
			return g.Read(p)
		}
		g.rest = line + "\n"
	}
	n := copy(p, g.rest)
	g.rest = g.rest[n:]
	return n, nil
}

// check looks at a line: a greeting, a module, and arguments up to an empty one.
func (g *guard) check(line string) error {
	switch {
	case g.line == 0:
		return nil
	case g.line == 1:
		if line != Module && line != "" && line != "#list" {
			return fmt.Errorf("module %q was asked for", line)
		}
		return nil
	case line != "":
		if len(g.args) == maxArgs {
			return fmt.Errorf("more than %d arguments", maxArgs)
		}
		g.args = append(g.args, line)
		return nil
	}
	g.free = true
	g.refused = checkArgs(g.args)
	return g.refused
}

const maxArgs = 64

// checkArgs lets pass a client that pulls from the module, with options that read and
// write nothing else.
func checkArgs(args []string) error {
	dot := slices.Index(args, ".")
	if dot < 0 || dot == len(args)-1 {
		return errors.New("no path was asked for")
	}
	for _, a := range args[:dot] {
		if !shortOptions.MatchString(a) && !longOptions.MatchString(a) {
			return fmt.Errorf("option %q is not served", a)
		}
	}
	// The list of files that the daemon behind sends always has the names of owners and
	// groups in it, which a client must expect.
	if !slices.ContainsFunc(args[:dot], func(a string) bool { return shortOptions.MatchString(a) && owners(a) }) {
		return errors.New("pull with rsync -a")
	}
	if !slices.Contains(args[:dot], "--sender") {
		return errors.New("the files are for reading only")
	}
	for _, p := range args[dot+1:] {
		clean := path.Clean(p)
		if clean != Module && !strings.HasPrefix(clean, Module+"/") || slices.Contains(strings.Split(p, "/"), "..") {
			return fmt.Errorf("path %q is not in the module", p)
		}
	}
	return nil
}

// owners tells whether letters of options ask for both owners and groups.
func owners(letters string) bool {
	letters, _, _ = strings.Cut(letters, ".") // behind it stand abilities
	return strings.Contains(letters, "o") && strings.Contains(letters, "g")
}
