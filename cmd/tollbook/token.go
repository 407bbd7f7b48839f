package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

func token(ctx context.Context, c *console, args []string) error {
	f := c.flags("token", "create NAME makes a token and shows it once; revoke NAME takes one back")
	role := f.String("role", "noc", "what it may do: admin, finance, noc or partner")
	company := f.String("company", "", "the company that a partner's token is limited to")
	expires := f.Duration("expires", 0, "how long it is good for; 0 is for ever")
	scopes := f.String("scopes", "", "what it may read, as balances,cdrs; empty is all that its role may read and do")
	networks := f.String("networks", "", "where it is taken from, as 192.0.2.0/24,2001:db8::1; empty is anywhere")
	points := f.Int("points", 0, "what its questions may cost in a minute; 0 is the settings'")
	cl := clientFlags(f)
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		if err := parse(f, args, 0); err != nil {
			return err
		}
		return usageError{errors.New("say create NAME or revoke NAME")}
	}
	verb, rest := args[0], args[1:]
	if len(rest) == 0 || strings.HasPrefix(rest[0], "-") {
		return usageError{fmt.Errorf("%s needs a name", verb)}
	}
	name := rest[0]
	if err := parse(f, rest[1:], 0); err != nil {
		return err
	}
	switch verb {
	case "create":
		input := map[string]any{"key": name, "role": strings.ToUpper(*role), "pointsPerMinute": *points}
		if *scopes != "" {
			input["scopes"] = strings.Split(strings.ToUpper(*scopes), ",")
		}
		if *networks != "" {
			input["networks"] = strings.Split(*networks, ",")
		}
		return createToken(ctx, c, cl, input, *company, *expires)
	case "revoke":
		return revokeToken(ctx, c, cl, name)
	default:
		return usageError{fmt.Errorf("%q is neither create nor revoke", verb)}
	}
}

func createToken(ctx context.Context, c *console, cl *client, input map[string]any, company string, expires time.Duration) error {
	if company != "" {
		input["company"] = company
	}
	if expires > 0 {
		input["expiresAt"] = time.Now().Add(expires).UTC().Format(time.RFC3339)
	}
	var answer struct {
		TokenCreate struct {
			Secret     string      `json:"secret"`
			UserErrors []userError `json:"userErrors"`
		} `json:"tokenCreate"`
	}
	const mutation = `mutation ($input: TokenCreateInput!) { tokenCreate(input: $input) { secret userErrors { code message path } } }`
	if err := cl.do(ctx, mutation, map[string]any{"input": input}, &answer); err != nil {
		return err
	}
	if err := refused(answer.TokenCreate.UserErrors); err != nil {
		return err
	}
	_, err := fmt.Fprintln(c.out, answer.TokenCreate.Secret)
	return err
}

func revokeToken(ctx context.Context, c *console, cl *client, name string) error {
	var found struct {
		Tokens struct {
			Nodes []struct {
				ID  string `json:"id"`
				Key string `json:"key"`
			} `json:"nodes"`
		} `json:"tokens"`
	}
	if err := cl.do(ctx, `{ tokens(first: 500) { nodes { id key } } }`, nil, &found); err != nil {
		return err
	}
	for _, t := range found.Tokens.Nodes {
		if t.Key != name {
			continue
		}
		var answer struct {
			TokenRevoke struct {
				UserErrors []userError `json:"userErrors"`
			} `json:"tokenRevoke"`
		}
		const mutation = `mutation ($input: RemoveInput!) { tokenRevoke(input: $input) { userErrors { code message path } } }`
		if err := cl.do(ctx, mutation, map[string]any{"input": map[string]any{"id": t.ID}}, &answer); err != nil {
			return err
		}
		if err := refused(answer.TokenRevoke.UserErrors); err != nil {
			return err
		}
		_, err := fmt.Fprintf(c.out, "%s is revoked\n", name)
		return err
	}
	return fmt.Errorf("there is no token %q", name)
}
