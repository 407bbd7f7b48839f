package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

func apply(ctx context.Context, c *console, args []string) error {
	f := c.flags("apply", "makes the configuration what a file says, all of it or nothing")
	file := f.String("f", "", "the file, YAML")
	dry := f.Bool("dry-run", false, "only print the difference")
	note := f.String("note", "", "why, for the audit")
	output := f.String("o", "text", "text or json")
	cl := clientFlags(f)
	if err := parse(f, args, 0); err != nil {
		return err
	}
	if *file == "" {
		return usageError{errors.New("-f is missing")}
	}
	doc, err := os.ReadFile(*file)
	if err != nil {
		return err
	}
	text, err := inline(doc, os.DirFS(filepath.Dir(*file)))
	if err != nil {
		return fmt.Errorf("%s: %w", *file, err)
	}
	var answer struct {
		WorldApply applied `json:"worldApply"`
	}
	err = cl.do(ctx, applyMutation, map[string]any{"input": map[string]any{"yaml": string(text), "dryRun": *dry, "note": *note}}, &answer)
	if err != nil {
		return err
	}
	if err := refused(answer.WorldApply.UserErrors); err != nil {
		return fmt.Errorf("%s: %w", *file, err)
	}
	if *output == "json" {
		return json.NewEncoder(c.out).Encode(answer.WorldApply)
	}
	return answer.WorldApply.print(c, *dry)
}

const applyMutation = `mutation ($input: WorldApplyInput!) {
  worldApply(input: $input) { differences { id kind fields } position userErrors { code message path } }
}`

type applied struct {
	Differences []struct {
		ID     string   `json:"id"`
		Kind   string   `json:"kind"`
		Fields []string `json:"fields"`
	} `json:"differences"`
	Position   any         `json:"position"`
	UserErrors []userError `json:"userErrors"`
}

func (a applied) print(c *console, dry bool) error {
	signs := map[string]string{"CREATE": "+", "UPDATE": "~", "REMOVE": "-"}
	for _, d := range a.Differences {
		fmt.Fprintf(c.out, "%s %s", signs[d.Kind], d.ID)
		if len(d.Fields) > 0 {
			fmt.Fprintf(c.out, " %v", d.Fields)
		}
		fmt.Fprintln(c.out)
	}
	switch {
	case len(a.Differences) == 0:
		fmt.Fprintln(c.out, "nothing to change")
	case dry:
		fmt.Fprintf(c.out, "%d changes, none made\n", len(a.Differences))
	default:
		fmt.Fprintf(c.out, "%d changes made at position %v\n", len(a.Differences), a.Position)
	}
	return nil
}

// inline puts the rows of decks that name a file into the document, since the
// node cannot read our files.
func inline(doc []byte, dir fs.FS) ([]byte, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(doc, &root); err != nil {
		return nil, err
	}
	if len(root.Content) == 0 || root.Content[0].Kind != yaml.MappingNode {
		return doc, nil // the node says what is wrong with it
	}
	changed := false
	for i := 0; i+1 < len(root.Content[0].Content); i += 2 {
		if root.Content[0].Content[i].Value != "decks" {
			continue
		}
		for _, deck := range root.Content[0].Content[i+1].Content {
			done, err := inlineDeck(deck, dir)
			if err != nil {
				return nil, err
			}
			changed = changed || done
		}
	}
	if !changed {
		return doc, nil
	}
	return yaml.Marshal(&root)
}

func inlineDeck(deck *yaml.Node, dir fs.FS) (bool, error) {
	for k := 0; k+1 < len(deck.Content); k += 2 {
		key, value := deck.Content[k], deck.Content[k+1]
		if key.Value != "file" {
			continue
		}
		rows, err := fs.ReadFile(dir, value.Value)
		if err != nil {
			return false, fmt.Errorf("line %d: the deck's file: %w", key.Line, err)
		}
		name := value.Value
		key.Value = "rows"
		value.SetString(string(rows))
		deck.Content = append(deck.Content,
			&yaml.Node{Kind: yaml.ScalarNode, Value: "source"}, &yaml.Node{Kind: yaml.ScalarNode, Value: name})
		return true, nil
	}
	return false, nil
}
