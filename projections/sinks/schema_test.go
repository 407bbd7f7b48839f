package sinks

import (
	"slices"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"

	"github.com/tollbook/tollbook/schema"
)

// TestTheSchemaHasEveryColumn: the table has the columns of a CDR, in their order, and
// what a cluster and a server of our day get has nothing left to fill in.
func TestTheSchemaHasEveryColumn(t *testing.T) {
	texts, err := schema.ClickHouse()
	if err != nil {
		t.Fatal(err)
	}
	single := &ClickHouse{config: Config{Database: "tollbook"}, version: proto.Version{Major: 18, Minor: 16}}
	created := single.statements(texts[0])
	var columns []string
	for _, line := range strings.Split(created[0], "\n") {
		if name, is := strings.CutPrefix(line, "  "); is {
			columns = append(columns, strings.Fields(name)[0])
		}
	}
	if !slices.Equal(columns, cdrColumns()) {
		t.Fatalf("the table has %v, a CDR has %v", columns, cdrColumns())
	}
	cluster := &ClickHouse{config: Config{Database: "tollbook", Cluster: "c1"}, version: proto.Version{Major: 25, Minor: 3}}
	var all, old []string
	for _, text := range texts {
		all, old = append(all, cluster.statements(text)...), append(old, single.statements(text)...)
	}
	if len(old) != 2 || len(all) != 8 {
		t.Fatalf("%d statements for an old server, %d for a cluster", len(old), len(all))
	}
	for _, statement := range all {
		if strings.Contains(statement, "$") || !strings.Contains(statement, "ON CLUSTER `c1`") {
			t.Error(statement)
		}
	}
	for _, want := range []string{
		"ReplicatedMergeTree('/clickhouse/tables/{shard}/tollbook/cdrs', '{replica}')", "`tollbook`.cdrs_local ON CLUSTER", "replicated_deduplication_window = 1000",
		"`tollbook`.cdrs ON CLUSTER `c1` AS `tollbook`.cdrs_local ENGINE = Distributed('c1', 'tollbook', 'cdrs_local', cityHash64(account))",
	} {
		if !strings.Contains(strings.Join(all, "\n"), want) {
			t.Errorf("%q is missing in:\n%s", want, strings.Join(all, "\n"))
		}
	}
}
