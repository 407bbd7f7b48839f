package node

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollbook/tollbook/projections/sinks"
	"github.com/tollbook/tollbook/projections/stores"
)

// ClickHouse says where CDRs and their hourly sums are copied to.
type ClickHouse struct {
	// Addresses are the servers' as host:port; none copies nothing.
	Addresses []string `yaml:"addresses"`
	// Protocol is native or http.
	Protocol string `yaml:"protocol"`
	Database string `yaml:"database"`
	User     string `yaml:"user"`
	// PasswordFile is a file with the password in it.
	PasswordFile string `yaml:"password_file"`
	TLS          bool   `yaml:"tls"`
	// Cluster is the name of the servers' cluster, empty for a single server.
	Cluster string `yaml:"cluster"`
	// ReportDays has reports of so many days and more answered there; 0 has none.
	ReportDays int `yaml:"report_days"`
}

func defaultClickHouse() ClickHouse {
	return ClickHouse{Protocol: "native", Database: "tollbook", User: "default", ReportDays: 32}
}

func (c ClickHouse) check() error {
	if c.Protocol != "native" && c.Protocol != "http" {
		return fmt.Errorf("clickhouse.protocol %q is neither native nor http", c.Protocol)
	}
	if c.ReportDays < 0 {
		return fmt.Errorf("clickhouse.report_days %d is not a number of days, or 0 for none", c.ReportDays)
	}
	for i, address := range c.Addresses {
		if host, port, err := net.SplitHostPort(address); err != nil || host == "" || port == "" {
			return fmt.Errorf("clickhouse.addresses[%d] %q is not a host with a port, such as ch1.example.net:9000", i, address)
		}
	}
	for key, name := range map[string]string{"database": c.Database, "cluster": c.Cluster} {
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
			return fmt.Errorf("clickhouse.%s %q is not a name of letters, digits and underscores", key, name)
		}
	}
	return nil
}

// openClickHouse makes ready for the copying, if it is wanted. Of a cluster's nodes the one that
// keeps the book writes, the others look.
func (n *Node) openClickHouse() error {
	c := n.settings.ClickHouse
	if len(c.Addresses) == 0 {
		return nil
	}
	password := ""
	if c.PasswordFile != "" {
		text, err := os.ReadFile(c.PasswordFile)
		if err != nil {
			return fmt.Errorf("read clickhouse.password_file: %w", err)
		}
		password = strings.TrimRight(string(text), "\r\n")
	}
	var err error
	n.clickhouse, err = sinks.Open(sinks.Config{
		Addresses: c.Addresses, Database: c.Database, User: c.User, Password: password, TLS: c.TLS, HTTP: c.Protocol == "http", Cluster: c.Cluster,
		Node: n.settings.Node, Writes: n.terms.Keeps, Log: n.log,
	}, n.history)
	if err != nil {
		return err
	}
	n.onClose(n.clickhouse.Close)
	return nil
}

// stores are the history and its copy, as they answer.
func (n *Node) stores() *stores.Stores {
	var copied stores.Copy
	if n.clickhouse != nil {
		copied = n.clickhouse
	}
	const day = 24 * time.Hour
	return stores.New(n.history, copied, time.Duration(n.settings.ClickHouse.ReportDays)*day, time.Now, n.log)
}

// copyHistory goes on until the node closes.
func (n *Node) copyHistory() {
	if n.clickhouse != nil {
		n.task("clickhouse", func(ctx context.Context) error {
			n.clickhouse.Run(ctx)
			return nil
		})
	}
}

// sunk are the figures of the copy in ClickHouse.
var sunk = []figure[sinks.Stats]{
	{prometheus.NewDesc("tollbook_clickhouse_sent_rows_total", "CDRs that were added in ClickHouse.", nil, nil), prometheus.CounterValue,
		func(s sinks.Stats) int64 { return s.Sent }},
	{prometheus.NewDesc("tollbook_clickhouse_taken_rows_total", "CDRs that were taken back in ClickHouse.", nil, nil), prometheus.CounterValue,
		func(s sinks.Stats) int64 { return s.Taken }},
	{prometheus.NewDesc("tollbook_clickhouse_mended_rows_total", "CDRs and sums that comparisons found to be missing or wrong in ClickHouse.", nil, nil),
		prometheus.CounterValue, func(s sinks.Stats) int64 { return s.Mended }},
	{prometheus.NewDesc("tollbook_clickhouse_failures_total", "Attempts to copy to ClickHouse that failed.", nil, nil), prometheus.CounterValue,
		func(s sinks.Stats) int64 { return s.Failures }},
	{prometheus.NewDesc("tollbook_clickhouse_waiting_changes", "Changes of one day that ClickHouse does not have yet.", nil, nil), prometheus.GaugeValue,
		func(s sinks.Stats) int64 { return s.Waiting }},
	{prometheus.NewDesc("tollbook_clickhouse_synced_timestamp_seconds", "When nothing waited for ClickHouse last.", nil, nil), prometheus.GaugeValue,
		func(s sinks.Stats) int64 { return s.SyncedUS / 1_000_000 }},
}
