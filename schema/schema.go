// Package schema carries the schema files that programs read at run time: the
// tables of the embedded CDR store. The events' own schema lies beside them in
// events/ and is compiled into events/wire.
package schema

import (
	"embed"
	"fmt"
)

//go:embed sql/*.sql
var files embed.FS

// SQL returns the text of one file of sql/, named without its folder: "day.sql".
func SQL(name string) (string, error) {
	text, err := files.ReadFile("sql/" + name)
	if err != nil {
		return "", fmt.Errorf("read schema %s: %w", name, err)
	}
	return string(text), nil
}
