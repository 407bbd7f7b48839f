package history

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
)

// dump returns everything that a store knows as text: the rows of all tables of
// all files in order of their keys, so that two stores can be compared. How a
// store got there (checkpoints, which days are settled) is left out.
func dump(t testing.TB, s *Store) string {
	t.Helper()
	var out strings.Builder
	for _, day := range s.days.days() {
		f, err := s.days.acquire(day)
		if err != nil {
			t.Fatal(err)
		}
		dumpTables(t, &out, f.reader, string(day), map[string]string{
			"calls": "1", "cdrs": "1, 2", "rollups": "2, 3, 4, 5, 6, 7, 8, 9, 10", "totals": "1, 2"})
		if err := s.days.release(f); err != nil {
			t.Fatal(err)
		}
	}
	dumpTables(t, &out, s.reader, "book", map[string]string{
		"entries": "1, 2", "balances": "1, 2", "periods": "1, 2", "offline": "1, 2", "audit": "1, 2", "files": "node, name", "changes": "1, 2"})
	return out.String()
}

func dumpTables(t testing.TB, out *strings.Builder, db *sql.DB, name string, order map[string]string) {
	t.Helper()
	for _, table := range []string{"calls", "cdrs", "rollups", "totals", "entries", "balances", "periods", "offline", "audit", "files", "changes"} {
		if order[table] == "" {
			continue
		}
		fmt.Fprintf(out, "-- %s.%s\n", name, table)
		what := "*"
		if table == "calls" {
			what = "call, events" // the ids are in the order of arrival
		}
		rows, err := db.QueryContext(context.Background(), "SELECT "+what+" FROM "+table+" ORDER BY "+order[table])
		if err != nil {
			t.Fatal(err)
		}
		columns, _ := rows.Columns()
		_, err = collect(rows, nil, func(row scanner) (none struct{}, err error) {
			values, into := make([]any, len(columns)), make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			if err := row.Scan(into...); err != nil {
				return none, err
			}
			for i, v := range values {
				fmt.Fprintf(out, "%s=%v ", columns[i], v)
			}
			out.WriteByte('\n')
			return none, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
