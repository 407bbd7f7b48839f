package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const filesQuery = `query ($after: Cursor, $kind: FileKind, $node: String, $removed: Boolean) {
  files(first: 500, after: $after, kind: $kind, node: $node, removed: $removed) {
    nodes { name kind node size sha256 codec truncated madeAt state removedWhy }
    pageInfo { hasNextPage endCursor }
  }
}`

type apiFile struct {
	Name       string  `json:"name"`
	Kind       string  `json:"kind"`
	Node       string  `json:"node"`
	Size       string  `json:"size"`
	SHA256     string  `json:"sha256"`
	Codec      string  `json:"codec"`
	Truncated  bool    `json:"truncated"`
	MadeAt     string  `json:"madeAt"`
	State      string  `json:"state"`
	RemovedWhy *string `json:"removedWhy"`
}

// eachFile gives the files that a node knows of, newest first.
func (cl *client) eachFile(ctx context.Context, variables map[string]any, give func(apiFile) error) error {
	for {
		var answer struct {
			Files struct {
				Nodes    []apiFile `json:"nodes"`
				PageInfo struct {
					HasNextPage bool   `json:"hasNextPage"`
					EndCursor   string `json:"endCursor"`
				} `json:"pageInfo"`
			} `json:"files"`
		}
		if err := cl.do(ctx, filesQuery, variables, &answer); err != nil {
			return err
		}
		for _, f := range answer.Files.Nodes {
			if err := give(f); err != nil {
				return err
			}
		}
		if !answer.Files.PageInfo.HasNextPage {
			return nil
		}
		variables["after"] = answer.Files.PageInfo.EndCursor
	}
}

func filesList(ctx context.Context, c *console, args []string) error {
	f := c.flags("files list", "the recordings and captures that a node knows of, newest first")
	kind := f.String("kind", "", "only these: recording or capture")
	of := f.String("node", "", "only those that this node made")
	removed := f.Bool("removed", false, "also those that were removed")
	output := f.String("o", "text", "text or json: one object a line")
	cl := clientFlags(f)
	if err := parse(f, args, 0); err != nil {
		return err
	}
	if !slices.Contains([]string{"", "recording", "capture"}, *kind) || !slices.Contains([]string{"text", "json"}, *output) {
		return usageError{errors.New("-kind is recording or capture, -o is text or json")}
	}
	variables := map[string]any{"removed": *removed}
	if *kind != "" {
		variables["kind"] = strings.ToUpper(*kind)
	}
	if *of != "" {
		variables["node"] = *of
	}
	lines := json.NewEncoder(c.out)
	return cl.eachFile(ctx, variables, func(f apiFile) error {
		if *output == "json" {
			return lines.Encode(f)
		}
		state := strings.ToLower(f.State)
		if f.Truncated {
			state += ", cut off"
		}
		_, err := fmt.Fprintf(c.out, "%s %12s %-8s %s %s\n", f.MadeAt, f.Size, f.Codec, f.Name, state)
		return err
	})
}

func filesFetch(ctx context.Context, c *console, args []string) error {
	f := c.flags("files fetch", "NAME brings a file to the node's disk and mends it there if it is damaged")
	cl := clientFlags(f)
	name := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	}
	if err := parse(f, args, 0); err != nil {
		return err
	}
	if name == "" {
		return usageError{errors.New("the file's name is needed, as files list writes it")}
	}
	return cl.fetchFile(ctx, name)
}

// fetchFile has the node fetch or mend a file.
func (cl *client) fetchFile(ctx context.Context, name string) error {
	var answer struct {
		FileFetch struct {
			UserErrors []userError `json:"userErrors"`
		} `json:"fileFetch"`
	}
	const mutation = `mutation ($input: FileFetchInput!) { fileFetch(input: $input) { userErrors { code message path } } }`
	if err := cl.do(ctx, mutation, map[string]any{"input": map[string]any{"name": name}}, &answer); err != nil {
		return err
	}
	return refused(answer.FileFetch.UserErrors)
}
