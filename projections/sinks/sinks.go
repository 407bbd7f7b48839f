// Package sinks keeps copies of the history where other programs ask: ClickHouse.
//
// # Exactly once
//
// A copy is made by difference. For the calls of a batch the sink asks the server
// which rows it has, compares them with those that the events give, and adds what
// is missing: rows, or rows with the sign -1 that take one back. So it does not
// matter where a batch broke off, whether it is sent again, which node sends it, or
// what became of the tables meanwhile. Hourly sums go the same way. Two fences
// keep a batch that a silent server still works on from being added beside its
// repetition: the server is asked whether the query still runs, and where it can,
// it is told the batch's insert_deduplication_token (docs/adr/0090).
//
// Which calls changed is in the history's own feed, which waits on the disk as long
// as the server is away.
package sinks

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/projections/history"
	"github.com/tollbook/tollbook/schema"
)

// Config says where a ClickHouse server is.
type Config struct {
	// Addresses are host:port of its native protocol, or HTTP; the first that answers is used.
	Addresses []string
	Database  string
	User      string
	Password  string
	TLS       bool
	// HTTP says that the addresses are of the HTTP interface.
	HTTP bool
	// Cluster is the name of a cluster to spread and replicate the tables over, empty
	// for a single server.
	Cluster string
	// Node tells batches of several nodes apart.
	Node string
	// Writes says whether this node is the one that writes now; nil is always. The
	// others only look whether what they know is there.
	Writes func() bool
	Log    *slog.Logger
}

// ClickHouse copies one history to a server.
type ClickHouse struct {
	config  Config
	history *history.Store
	conn    driver.Conn

	// version is the server's, zero until it was reached.
	version proto.Version
	// ready says that the tables are there, as far as we know.
	ready bool
	// serial counts the inserts that were acknowledged: part of the next one's token.
	serial uint64
	began  int64
	// pending are the ids of inserts whose fate nobody told.
	pending []string
	// checked is when all days were last looked at, compared the day of the last comparison.
	checked  time.Time
	compared history.Day

	stats counters
}

// counters are what Stats gives.
type counters struct {
	sent, taken, mended, waiting, failures atomic.Int64
	syncedUS                               atomic.Int64
}

// Stats are a sink's figures since its start.
type Stats struct {
	// Sent are the rows that were added, Taken those that were taken back, Mended
	// those of them that a comparison found.
	Sent, Taken, Mended int64
	// Waiting are the changes that the server does not have yet.
	Waiting int64
	// Failures counts attempts that failed.
	Failures int64
	// SyncedUS is when nothing waited last: UTC, microseconds.
	SyncedUS int64
}

// Stats returns the sink's figures.
func (c *ClickHouse) Stats() Stats {
	s := &c.stats
	return Stats{Sent: s.sent.Load(), Taken: s.taken.Load(), Mended: s.mended.Load(), Waiting: s.waiting.Load(),
		Failures: s.failures.Load(), SyncedUS: s.syncedUS.Load()}
}

// Current says that nothing has waited for the server for longer than a time.
func (c *ClickHouse) Current(within time.Duration) bool {
	return time.Since(events.Instant(c.stats.syncedUS.Load())) <= within
}

// The bounds of what one query may take.
const (
	dialTimeout  = 5 * time.Second
	queryTimeout = 2 * time.Minute
)

// Open makes a sink. The server need not be there.
func Open(config Config, from *history.Store) (*ClickHouse, error) {
	if config.Database == "" {
		config.Database = "tollbook"
	}
	if strings.ContainsAny(config.Database+config.Cluster, "`\\'\"") {
		return nil, fmt.Errorf("clickhouse: quotes in the name of the database %q or cluster %q", config.Database, config.Cluster)
	}
	options := &clickhouse.Options{
		Addr:        config.Addresses,
		Auth:        clickhouse.Auth{Username: config.User, Password: config.Password},
		Compression: &clickhouse.Compression{Method: clickhouse.CompressionLZ4},
		DialTimeout: dialTimeout, ReadTimeout: queryTimeout, MaxOpenConns: 4, MaxIdleConns: 2,
	}
	if config.TLS {
		options.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if config.HTTP {
		options.Protocol, options.Compression.Method = clickhouse.HTTP, clickhouse.CompressionGZIP
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		return nil, fmt.Errorf("open clickhouse: %w", err)
	}
	return &ClickHouse{config: config, history: from, conn: conn, began: time.Now().UnixNano()}, nil
}

// Close closes the connections.
func (c *ClickHouse) Close() error { return c.conn.Close() }

// table is a table's name as it stands in queries.
func (c *ClickHouse) table(name string) string { return "`" + c.config.Database + "`." + name }

// modern says that the server is of our day: it has what version 21.8 has.
func (c *ClickHouse) modern() bool {
	return proto.CheckMinVersion(proto.Version{Major: 21, Minor: 8}, c.version)
}

// prepare makes the tables where they are missing.
func (c *ClickHouse) prepare(ctx context.Context) error {
	if c.ready {
		return nil
	}
	server, err := c.conn.ServerVersion()
	if err != nil {
		return fmt.Errorf("reach clickhouse: %w", err)
	}
	c.version = server.Version
	if c.config.Cluster != "" && !c.modern() {
		return fmt.Errorf("clickhouse %s is too old for a cluster: 21.8 is needed", c.version)
	}
	texts, err := schema.ClickHouse()
	if err != nil {
		return err
	}
	statements := []string{"CREATE DATABASE IF NOT EXISTS `" + c.config.Database + "`" + c.onCluster()}
	for _, text := range texts {
		statements = append(statements, c.statements(text)...)
	}
	for _, statement := range statements {
		if err := c.conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("make the tables of clickhouse: %w", err)
		}
	}
	c.ready, c.checked, c.compared = true, time.Time{}, ""
	return nil
}

// statements fills in one text of the schema, or leaves it out.
func (c *ClickHouse) statements(text string) []string {
	first, _, _ := strings.Cut(text, "\n")
	switch needs, _ := strings.CutPrefix(first, "-- needs "); {
	case needs == "21.8" && !c.modern(), needs == "cluster" && c.config.Cluster == "":
		return nil
	}
	local, merge, summing, window := "", "MergeTree()", "SummingMergeTree()", "non_replicated_deduplication_window"
	if c.config.Cluster != "" {
		at := "('/clickhouse/tables/{shard}/" + c.config.Database + "/%s', '{replica}')"
		local, merge, summing, window = "_local", "ReplicatedMergeTree"+at, "ReplicatedSummingMergeTree"+at, "replicated_deduplication_window"
	}
	var pairs []string
	for _, name := range []string{"cdrs", "rollups"} {
		pairs = append(pairs,
			"$merge("+name+")", strings.ReplaceAll(merge, "%s", name), "$summing("+name+")", strings.ReplaceAll(summing, "%s", name),
			"$distributed("+name+", account)", fmt.Sprintf("Distributed('%s', '%s', '%s', cityHash64(account))", c.config.Cluster, c.config.Database, name+local),
			"$all("+name+")", c.table(name), "$"+name, c.table(name+local))
	}
	text = strings.NewReplacer(append(pairs, "$on_cluster", c.onCluster(), "$window", window)...).Replace(text)
	var lines, statements []string
	for _, line := range strings.Split(text, "\n") {
		if !strings.HasPrefix(line, "--") {
			lines = append(lines, line)
		}
	}
	for _, statement := range strings.Split(strings.Join(lines, "\n"), ";") {
		if statement = strings.TrimSpace(statement); statement != "" {
			statements = append(statements, statement)
		}
	}
	return statements
}

func (c *ClickHouse) onCluster() string {
	if c.config.Cluster == "" {
		return ""
	}
	return " ON CLUSTER `" + c.config.Cluster + "`"
}

// failed looks at an error: one that says that a table or database is not there
// has all made anew.
func (c *ClickHouse) failed(err error) {
	c.stats.failures.Add(1)
	c.checked = time.Time{} // nobody knows what comes back
	var told *clickhouse.Exception
	if errors.As(err, &told) && (told.Code == 60 || told.Code == 81) {
		c.ready = false
	}
}

// reading are the settings of a question: what was acknowledged is seen.
func (c *ClickHouse) reading(ctx context.Context) context.Context {
	if c.config.Cluster == "" {
		return ctx
	}
	return clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"select_sequential_consistency": 1}))
}
