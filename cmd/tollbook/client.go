package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"strings"
	"time"
)

// client asks a running node through its GraphQL API.
type client struct{ url, token string }

// clientFlags adds the flags that say which node to ask.
func clientFlags(f *flag.FlagSet) *client {
	cl := &client{}
	f.StringVar(&cl.url, "url", "http://127.0.0.1:8080", "where the node's console is")
	f.StringVar(&cl.token, "token", os.Getenv(adminToken), "an admin's token; by default that of $"+adminToken)
	return cl
}

type userError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Path    string `json:"path"`
}

// refused joins the errors of a payload into one, or gives none.
func refused(list []userError) error {
	var errs []error
	for _, e := range list {
		text := e.Message
		if e.Path != "" {
			text = e.Path + ": " + text
		}
		errs = append(errs, errors.New(text))
	}
	return errors.Join(errs...)
}

// do sends a query and reads its data into out.
func (cl *client) do(ctx context.Context, query string, variables map[string]any, out any) error {
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return cl.post(ctx, "application/json", bytes.NewReader(body), out)
}

// upload sends a mutation whose input has a file, by the specification of
// multipart requests (github.com/jaydenseric/graphql-multipart-request-spec).
func (cl *client) upload(ctx context.Context, query string, input map[string]any, name string, file []byte, out any) error {
	operations, err := json.Marshal(map[string]any{"query": query, "variables": map[string]any{"input": input}})
	if err != nil {
		return err
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	err = errors.Join(form.WriteField("operations", string(operations)), form.WriteField("map", `{"0":["variables.input.file"]}`))
	part, partErr := form.CreateFormFile("0", name)
	if err = errors.Join(err, partErr); err != nil {
		return err
	}
	_, err = part.Write(file)
	if err = errors.Join(err, form.Close()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, fileTime)
	defer cancel()
	return cl.post(ctx, form.FormDataContentType(), &body, out)
}

func (cl *client) post(ctx context.Context, kind string, body io.Reader, out any) error {
	if cl.token == "" {
		return usageError{errors.New("a token is needed: -token, or $" + adminToken)}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(cl.url, "/")+"/graphql", body)
	if err != nil {
		return usageError{err}
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Authorization", "Bearer "+cl.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("no node answers: %w", err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		return fmt.Errorf("read the node's answer: %w", err)
	}
	if res.StatusCode == http.StatusUnauthorized {
		return errors.New("the node does not know this token")
	}
	return decodeAnswer(res.Status, data, out)
}

func decodeAnswer(status string, data []byte, out any) error {
	var answer struct {
		Data   json.RawMessage `json:"data"`
		Errors []struct {
			Message string `json:"message"`
		} `json:"errors"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return fmt.Errorf("the node answers %s, which is not an API's answer", status)
	}
	if len(answer.Errors) > 0 {
		return fmt.Errorf("the node refuses: %s", answer.Errors[0].Message)
	}
	return json.Unmarshal(answer.Data, out)
}
