// Package deploy holds the files that come with the program, so that it needs
// nothing but its binary.
package deploy

import "embed"

// Examples are the declared world of the demo and its rate decks.
//
//go:embed examples
var Examples embed.FS

// Bench is what "tollbook bench sip" loads a switch with: a world of one customer
// and one vendor, and both as scenarios of sipp.
//
//go:embed bench
var Bench embed.FS
