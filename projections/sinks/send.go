package sinks

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// insert adds rows as one block. An error says nothing about whether they are
// there: settled has to be asked before anything is compared again.
func (c *ClickHouse) insert(ctx context.Context, table string, columns []string, lines []line) (err error) {
	if len(lines) == 0 {
		return nil
	}
	token := c.token(table, lines)
	settings := clickhouse.Settings{}
	if c.modern() {
		settings["async_insert"] = 0
		settings["insert_deduplicate"] = 1
		settings["insert_deduplication_token"] = token
	}
	if c.config.Cluster != "" {
		settings["insert_quorum"] = "auto"
		settings["insert_distributed_sync"] = 1
	}
	id := fmt.Sprintf("%s-%d", token, time.Now().UnixNano())
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(settings), clickhouse.WithQueryID(id))
	batch, err := c.conn.PrepareBatch(ctx, "INSERT INTO "+c.table(table)+" ("+strings.Join(columns, ", ")+")")
	if err != nil {
		c.pending = append(c.pending, id)
		return fmt.Errorf("send to clickhouse: %w", err)
	}
	defer func() { err = errors.Join(err, batch.Close()) }()
	for _, l := range lines {
		if err := batch.Append(l...); err != nil {
			c.pending = append(c.pending, id)
			return fmt.Errorf("send to clickhouse: %w", err)
		}
	}
	if err := batch.Send(); err != nil {
		c.pending = append(c.pending, id)
		return fmt.Errorf("send to clickhouse: %w", err)
	}
	c.serial++
	return nil
}

// token names a batch: the same rows after the same batches of the same sink have
// the same one, so that the server takes them once however often they are sent.
func (c *ClickHouse) token(table string, lines []line) string {
	h := sha256.New()
	for _, l := range lines {
		for _, v := range l {
			fmt.Fprintf(h, "%v\x00", v)
		}
	}
	return fmt.Sprintf("%s:%s:%d:%d:%x", table, c.config.Node, c.began, c.serial, h.Sum(nil)[:12])
}

// settled waits until the server works on none of our inserts any more.
func (c *ClickHouse) settled(ctx context.Context) error {
	for len(c.pending) > 0 {
		var running uint64
		err := c.conn.QueryRow(ctx, "SELECT count() FROM system.processes WHERE query_id = ?", c.pending[0]).Scan(&running)
		if err != nil {
			return fmt.Errorf("ask clickhouse what it works on: %w", err)
		}
		if running == 0 {
			c.pending = c.pending[1:]
			continue
		}
		if err := wait(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
