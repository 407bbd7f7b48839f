package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tollbook/tollbook/events/cluster"
)

// VerifyOptions say how VerifyDir works.
type VerifyOptions struct {
	// Temp is the directory for the copy; the default is that of the system.
	// It needs as much space as the streams.
	Temp string
	// Archive is the directory of the archive segments, read where the
	// streams were trimmed. When empty, the check begins where they begin.
	Archive string
	// Visit is given every block of a stream that was found whole, each
	// journal's in order. Nil visits none.
	Visit func(Block) error
	// Logger takes what the server says about the copy. Nil takes nothing.
	Logger *slog.Logger
}

// VerifyDir checks the streams in a data directory against its heads.log, and
// changes nothing there: the files are copied, and a server is started on the
// copy, because a server that finds damage mends it by cutting. It may run beside
// a live node. The error is the first *Broken; every journal is checked
// nevertheless.
func VerifyDir(ctx context.Context, dir string, opts VerifyOptions) ([]Report, error) {
	return OnCopy(ctx, dir, opts, nil)
}

// OnCopy does what VerifyDir does, and, where all was found whole, has fn read the copy,
// which is gone afterwards.
func OnCopy(ctx context.Context, dir string, opts VerifyOptions, fn func(*cluster.Server, []Report) error) ([]Report, error) {
	var reports []Report
	var first error
	err := onCopy(ctx, dir, opts, func(srv *cluster.Server, heads HeadSet) error {
		for _, name := range []string{cluster.StreamBook, cluster.StreamLog} {
			report, err := verifyCopy(ctx, srv, name, heads, opts)
			reports = append(reports, report)
			var wrong *Broken
			if err != nil && !errors.As(err, &wrong) {
				return fmt.Errorf("verify %s: %w", dir, err)
			}
			if first == nil {
				first = err
			}
		}
		if first == nil && fn != nil {
			return fn(srv, reports)
		}
		return nil // what was found is told below
	})
	if err != nil {
		return reports, err
	}
	return reports, first
}

// onCopy starts a server on a copy of a data directory's streams for fn.
func onCopy(ctx context.Context, dir string, opts VerifyOptions, fn func(*cluster.Server, HeadSet) error) error {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if _, err := os.Stat(filepath.Join(dir, "jetstream")); err != nil {
		return fmt.Errorf("verify %s: there is no store: %w", dir, err)
	}
	// The heads first: a live stream may then only be ahead of them.
	heads, err := ReadHeads(dir)
	if err != nil {
		return fmt.Errorf("verify %s: %w", dir, err)
	}
	heads.replica = cluster.IsReplica(dir)
	temp, err := os.MkdirTemp(opts.Temp, "tollbook-verify-*")
	if err != nil {
		return fmt.Errorf("verify %s: %w", dir, err)
	}
	defer os.RemoveAll(temp)
	if err := copyTree(filepath.Join(temp, "jetstream"), filepath.Join(dir, "jetstream")); err != nil {
		return fmt.Errorf("verify %s: copy the store: %w", dir, err)
	}
	if err := cluster.Detach(temp); err != nil {
		return fmt.Errorf("verify %s: %w", dir, err)
	}
	srv, err := cluster.Start(ctx, cluster.Options{Dir: temp, Node: "verify", Logger: opts.Logger, NoCreate: true})
	if err != nil {
		return fmt.Errorf("verify %s: %w", dir, heads.explain(inOriginal(err, temp, dir)))
	}
	defer srv.Stop()
	return fn(srv, heads)
}

// inOriginal names the damaged file where it lies, not the copy that is gone when
// somebody looks for it.
func inOriginal(err error, temp, dir string) error {
	var damage *cluster.DamagedError
	if errors.As(err, &damage) {
		if path, relErr := filepath.Rel(temp, damage.File); relErr == nil {
			damage.File = filepath.Join(dir, path)
		}
	}
	return err
}

func verifyCopy(ctx context.Context, srv *cluster.Server, name string, heads HeadSet, opts VerifyOptions) (Report, error) {
	stream, err := OpenStream(ctx, srv.Conn(), name)
	var store Store = stream
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		// The server did not recover it: then it holds nothing, and all that
		// is remembered of it is missing.
		return verifyLost(ctx, name, heads)
	case err != nil:
		return Report{Stream: name}, err
	}
	if opts.Archive != "" {
		archive, err := OpenArchive(opts.Archive)
		if err != nil {
			return Report{Stream: name}, err
		}
		store, heads = archive.Join(stream), heads.whole()
	}
	report, err := Verify(ctx, store, heads)
	if err != nil || opts.Visit == nil {
		return report, err
	}
	return report, visit(ctx, store, report, opts.Visit)
}

// visit reads a stream that was found whole once more, for what its events say.
func visit(ctx context.Context, store Store, report Report, fn func(Block) error) error {
	for _, j := range report.Journals {
		if _, err := Read(ctx, store, j.Journal, j.Base, fn); err != nil {
			return err
		}
	}
	return nil
}

// verifyLost is the report of a stream that the server did not recover: all that
// is remembered of it is missing.
func verifyLost(ctx context.Context, name string, heads HeadSet) (Report, error) {
	const reason = "the stream cannot be opened, its meta.inf or meta.sum is damaged or missing"
	report, err := Verify(ctx, NewMemory(name, "log.>"), heads)
	for _, j := range report.Journals {
		if j.Broken != nil {
			j.Broken.Reason = reason
		}
	}
	if err == nil { // Nothing is remembered that would say what it held.
		err = &Broken{Journal: name, Position: 1, Number: 1, Reason: reason}
	}
	return report, err
}

// whole is the set for reading from the beginning, archive included.
func (s HeadSet) whole() HeadSet {
	s.trims = nil
	return s
}

// copyTree copies a directory. A file that vanishes meanwhile is left out: a
// live server renames and removes files.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path != from {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		return copyFile(target, path)
	})
}

func copyFile(to, from string) error {
	src, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = dst.ReadFrom(src)
	return errors.Join(err, dst.Close())
}
