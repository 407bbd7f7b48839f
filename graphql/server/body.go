package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/tollbook/tollbook/graphql/auth"
)

// What the body of a request may be.
const (
	maxBody = 4 << 20
	// maxStrangerBody is that of somebody who has not signed in, of a form without a file
	// that may be imported, and so is what is decoded before anything is known of it.
	maxStrangerBody = 64 << 10
	// maxValues bounds the values in a body: decoded they take up to a hundred bytes
	// each. The largest lists that the catalog takes have some ten thousand.
	maxValues = 100_000
	// maxNesting bounds lists and objects within each other.
	maxNesting = 32
)

// sized reads a body and looks at its shape before anything is made of it: a small
// body can otherwise take much memory.
func sized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hasFile(r) {
			r.Body = http.MaxBytesReader(w, r.Body, maxImport)
			next.ServeHTTP(w, r)
			return
		}
		limit := int64(maxBody)
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); auth.FromContext(r.Context()) == nil || err != nil || kind != "application/json" {
			limit = maxStrangerBody
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			refuseRequest(w, http.StatusRequestEntityTooLarge, "LIMIT_EXCEEDED", "the request is too large")
			return
		} else if err != nil {
			refuseRequest(w, http.StatusBadRequest, "INVALID", "the request broke off")
			return
		}
		if why := shape(body); why != "" {
			refuseRequest(w, http.StatusBadRequest, "LIMIT_EXCEEDED", why)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

// shape says what is wrong with the shape of a JSON text, "" if nothing is. What is
// not JSON at all is for others to say.
func shape(body []byte) string {
	if first := bytes.TrimLeft(body, " \t\r\n"); len(first) > 0 && first[0] == '[' {
		return "send one operation a request: there are no batches"
	}
	values, depth, text := 0, 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == ',':
			values++
		case c == '{' || c == '[':
			values++
			depth++
		case c == '}' || c == ']':
			depth--
		}
		if values > maxValues {
			return "the request has too many values"
		}
		if depth > maxNesting {
			return "the request is nested too deeply"
		}
	}
	return ""
}

// refuseRequest answers as the API does, to what never became an operation.
func refuseRequest(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// A client that is gone needs no answer.
	_ = json.NewEncoder(w).Encode(map[string]any{
		"errors": []any{map[string]any{"message": message, "extensions": map[string]any{"code": code}}}, "data": nil,
	})
}
