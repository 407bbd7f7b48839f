package events

import (
	"errors"
	"fmt"

	"github.com/tollbook/tollbook/events/wire"
)

// Code says what kind of refusal an error is. It is mapped once to GraphQL, once
// to SIP and once to exit codes.
type Code string

// The codes of the domain.
const (
	CodeInvalid           Code = "invalid"            // the input is wrong: mend it
	CodeNotFound          Code = "not_found"          // no such thing
	CodeConflict          Code = "conflict"           // it changed meanwhile, or a key came with other inputs
	CodeForbidden         Code = "forbidden"          // not allowed to this actor
	CodeInsufficientFunds Code = "insufficient_funds" // the account's available money does not cover it
	CodeLimit             Code = "rate_limited"       // a limit on channels, calls per second or size
	CodeStale             Code = "stale"              // decided on an older catalog: route again
	CodeExpired           Code = "expired"            // the deadline has passed
	CodeUnavailable       Code = "unavailable"        // the book cannot answer now
	CodeInternal          Code = "internal"           // our fault
)

// Error is a refusal: a code for programs, a sentence for people, and where in
// the input it lies.
type Error struct {
	Code    Code
	Message string
	// Path names the place in the input, dot separated; empty if there is none.
	Path string
}

func (e *Error) Error() string {
	if e.Path == "" {
		return e.Message
	}
	return e.Path + ": " + e.Message
}

// At puts a place before the error's own path.
func (e *Error) At(place string) *Error {
	path := place
	if e.Path != "" {
		path += "." + e.Path
	}
	return &Error{Code: e.Code, Message: e.Message, Path: path}
}

// Refuse makes an error of the given code.
func Refuse(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Invalid makes an error about wrong input.
func Invalid(format string, args ...any) *Error { return Refuse(CodeInvalid, format, args...) }

// NotFound makes an error about something that is not there.
func NotFound(format string, args ...any) *Error { return Refuse(CodeNotFound, format, args...) }

// CodeOf is the code of the domain error in err's chain; CodeInternal for any
// other error, "" for none.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}

// Refusal is err as a reply carries it.
func Refusal(err error) *wire.Refusal {
	if e, ok := err.(*Error); ok { //nolint:errorlint // a wrapped error keeps the words around it
		return &wire.Refusal{Code: string(e.Code), Message: e.Message, Path: e.Path}
	}
	return &wire.Refusal{Code: string(CodeOf(err)), Message: err.Error()}
}

// FromRefusal is the error that a reply carries, nil if it carries none.
func FromRefusal(r *wire.Refusal) error {
	if r == nil {
		return nil
	}
	return &Error{Code: Code(r.Code), Message: r.Message, Path: r.Path}
}
