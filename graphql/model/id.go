package model

import (
	"strconv"
	"strings"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
)

// Kinds of global ids beside those of the catalog.
const (
	KindCall  = "call"
	KindCdr   = "cdr"
	KindEntry = "entry"
	KindAudit = "audit"
	KindTrip  = "guard-trip"
)

// ID is the global id of a catalog entity: "account:acme-usd". Keys hold no
// colon, so the first one separates.
func ID(kind catalog.Kind, key string) string { return prefixOf(kind) + ":" + key }

// OptionalID is the global id, nil if there is no key.
func OptionalID(kind catalog.Kind, key string) *string {
	if key == "" {
		return nil
	}
	id := ID(kind, key)
	return &id
}

// Key takes the key out of a global id of the kind; a bare key is taken as it
// is, since the place where it stands says its kind. It is false for an id of
// another kind.
func Key(kind catalog.Kind, id string) (string, bool) {
	prefix, key, found := strings.Cut(id, ":")
	if !found {
		return id, true
	}
	return key, prefix == prefixOf(kind)
}

// KindOf splits a global id into a catalog kind and a key.
func KindOf(id string) (catalog.Kind, string, bool) {
	prefix, key, found := strings.Cut(id, ":")
	if !found {
		return "", "", false
	}
	for _, k := range catalog.Kinds() {
		if prefixOf(k) == prefix {
			return k, key, true
		}
	}
	return "", "", false
}

// CallID is the global id of a call: "call:0199…".
func CallID(id events.CallID) string { return KindCall + ":" + id.String() }

// ParseCallID reads a call's global id, or its bare UUID.
func ParseCallID(s string) (events.CallID, bool) {
	id, err := events.ParseCallID(strings.TrimPrefix(s, KindCall+":"))
	return id, err == nil
}

// CdrID is the global id of one leg's CDR: "cdr:0199…/1".
func CdrID(id events.CallID, leg int) string {
	return KindCdr + ":" + id.String() + "/" + strconv.Itoa(leg)
}

// ParseCdrID reads a CDR's global id.
func ParseCdrID(s string) (events.CallID, int, bool) {
	call, leg, _ := strings.Cut(strings.TrimPrefix(s, KindCdr+":"), "/")
	id, ok := ParseCallID(call)
	n, err := strconv.ParseUint(leg, 10, 16)
	return id, int(n), ok && err == nil
}

func prefixOf(kind catalog.Kind) string { return strings.ReplaceAll(string(kind), " ", "-") }
