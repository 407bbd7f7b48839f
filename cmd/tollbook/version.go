package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"

	"github.com/tollbook/tollbook/cmd/tollbook/node"
	"github.com/tollbook/tollbook/events/state"
)

func version(_ context.Context, c *console, args []string) error {
	f := c.flags("version", "says which version this is")
	output := f.String("o", "text", "text or json")
	if err := parse(f, args, 0); err != nil {
		return err
	}
	v := struct {
		Version     string `json:"version"`
		FoldVersion int    `json:"fold_version"`
		Go          string `json:"go"`
	}{node.Version, state.FoldVersion, runtime.Version()}
	if *output == "json" {
		return json.NewEncoder(c.out).Encode(v)
	}
	_, err := fmt.Fprintf(c.out, "tollbook %s, fold version %d, %s\n", v.Version, v.FoldVersion, v.Go)
	return err
}
