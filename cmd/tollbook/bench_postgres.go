package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"
)

// The usual way to keep a balance, as one transaction: take the amount off if it
// is there, and write the entry.
const (
	postgresSchema = `CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL);
		CREATE TABLE entries (id bigserial PRIMARY KEY, account int NOT NULL, amount bigint NOT NULL, at timestamptz NOT NULL DEFAULT now());
		INSERT INTO accounts SELECT n, 1000000000000000 FROM generate_series(1, 100000) n;`
	postgresScript = `BEGIN;
UPDATE accounts SET balance = balance - 1 WHERE id = 1 AND balance >= 1;
INSERT INTO entries (account, amount) VALUES (1, -1);
COMMIT;
`
)

// postgres is a server of our own, in a directory of its own.
type postgres struct {
	bin, dir string
	as       *syscall.SysProcAttr
}

// postgresPerSecond starts Debian's PostgreSQL, if it is there, and measures that
// transaction on one account with pgbench.
func postgresPerSecond(ctx context.Context, seconds time.Duration) (int, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/pgbench")
	if err != nil || len(found) == 0 {
		return 0, errors.New("the package postgresql is not installed")
	}
	p := &postgres{bin: filepath.Dir(found[len(found)-1])}
	if p.dir, err = os.MkdirTemp("", "tollbook-postgres-*"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(p.dir)
	if err := p.become(); err != nil {
		return 0, err
	}
	return p.run(ctx, seconds)
}

// become leaves root, as which PostgreSQL does not run.
func (p *postgres) become() error {
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return fmt.Errorf("PostgreSQL does not run as root: %w", err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2, os.Chown(p.dir, int(uid), int(gid))); err != nil {
		return err
	}
	p.as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	return nil
}

func (p *postgres) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, name), args...)
	cmd.Dir, cmd.SysProcAttr = p.dir, p.as
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PGHOST="+p.dir, "PGUSER=bench", "PGDATABASE=postgres")
	return cmd
}

func (p *postgres) run(ctx context.Context, seconds time.Duration) (int, error) {
	data := filepath.Join(p.dir, "data")
	if out, err := p.command(ctx, "initdb", "-D", data, "-U", "bench", "-A", "trust").CombinedOutput(); err != nil {
		return 0, fmt.Errorf("initdb: %w: %s", err, out)
	}
	server := p.command(ctx, "postgres", "-D", data, "-k", p.dir, "-c", "listen_addresses=",
		"-c", "synchronous_commit=on", "-c", "fsync=on", "-c", "max_wal_size=2GB")
	server.Cancel = func() error { return server.Process.Signal(os.Interrupt) }
	if err := server.Start(); err != nil {
		return 0, err
	}
	defer func() {
		_ = server.Process.Signal(os.Interrupt) // its fast shutdown; Wait tells
		_ = server.Wait()
	}()
	for tries := 0; p.command(ctx, "pg_isready").Run() != nil; tries++ {
		if tries == 100 {
			return 0, errors.New("PostgreSQL did not come up within 10 s")
		}
		time.Sleep(100 * time.Millisecond)
	}
	return p.measure(ctx, seconds)
}

var tps = regexp.MustCompile(`tps = ([0-9]+)`)

func (p *postgres) measure(ctx context.Context, seconds time.Duration) (int, error) {
	if out, err := p.command(ctx, "psql", "-q", "-c", postgresSchema).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("psql: %w: %s", err, out)
	}
	script := filepath.Join(p.dir, "script.sql")
	if err := os.WriteFile(script, []byte(postgresScript), 0o644); err != nil {
		return 0, err
	}
	out, err := p.command(ctx, "pgbench", "-n", "-M", "prepared", "-c", "16", "-j", "2",
		"-T", strconv.Itoa(max(1, int(seconds.Seconds()))), "-f", script).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("pgbench: %w: %s", err, out)
	}
	m := tps.FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("pgbench said no rate: %s", out)
	}
	return strconv.Atoi(string(m[1]))
}
