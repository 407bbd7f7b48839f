// Package console holds the web console, built by Vite and kept in the binary.
// It speaks to the API and to nothing else.
package console

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Files are the console's files: index.html, assets, and source.sha256, the hash
// of the sources that they were built from.
func Files() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic("console: dist is not embedded: " + err.Error()) // cannot be: the path is constant
	}
	return files
}
