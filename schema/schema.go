// Package schema carries the schema files that programs read at run time: the
// tables of the embedded CDR store and of ClickHouse. The events' own schema lies beside them in
// events/ and is compiled into events/wire.
package schema

import (
	"embed"
	"fmt"
)

//go:embed sql/*.sql clickhouse/*.sql
var files embed.FS

// SQL returns the text of one file of sql/, named without its folder: "day.sql".
func SQL(name string) (string, error) {
	text, err := files.ReadFile("sql/" + name)
	if err != nil {
		return "", fmt.Errorf("read schema %s: %w", name, err)
	}
	return string(text), nil
}

// ClickHouse returns the texts of clickhouse/ in their order. What begins with $ is
// for projections/sinks to fill in; a text whose first line says "-- needs" is for
// servers from a version on, or for clusters.
func ClickHouse() ([]string, error) {
	entries, err := files.ReadDir("clickhouse")
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	var texts []string
	for _, entry := range entries {
		text, err := files.ReadFile("clickhouse/" + entry.Name())
		if err != nil {
			return nil, fmt.Errorf("read schema %s: %w", entry.Name(), err)
		}
		texts = append(texts, string(text))
	}
	return texts, nil
}
