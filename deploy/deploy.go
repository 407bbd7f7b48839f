// Package deploy holds the examples that come with the program, so that the demo
// needs nothing but the binary.
package deploy

import "embed"

// Examples are the declared world of the demo and its rate decks.
//
//go:embed examples
var Examples embed.FS
