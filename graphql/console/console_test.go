package console

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestDistIsFresh compares the hash of the sources with the one that the build
// recorded. It is computed as scripts/digest.mjs does.
func TestDistIsFresh(t *testing.T) {
	recorded, err := fs.ReadFile(Files(), "source.sha256")
	if err != nil {
		t.Fatalf("%v: run make console", err)
	}
	sum := sha256.New()
	for _, name := range sources(t) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(sum, "%x  %s\n", sha256.Sum256(data), name)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != strings.TrimSpace(string(recorded)) {
		t.Errorf("dist was built from other sources than these: run make console and commit dist")
	}
}

// sources are the files that the bundle depends on, by name.
func sources(t *testing.T) []string {
	t.Helper()
	names := []string{"index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts"}
	for _, folder := range []string{"src", "scripts", "../../schema/graphql"} {
		err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && d.Name() != "graphql-env.d.ts" {
				names = append(names, filepath.ToSlash(path))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(names)
	return names
}

// TestSelfContained makes sure that the page loads nothing from elsewhere and
// holds no inline script, which the server's policy would refuse.
func TestSelfContained(t *testing.T) {
	page, err := fs.ReadFile(Files(), "index.html")
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	if strings.Contains(text, "https://") || strings.Contains(text, "http://") && !strings.Contains(text, "xmlns='http://www.w3.org/2000/svg'") {
		t.Error("index.html names another host")
	}
	for _, tag := range strings.Split(text, "<script")[1:] {
		if !strings.Contains(tag[:strings.IndexByte(tag, '>')], "src=") {
			t.Error("index.html has an inline script")
		}
	}
	styles, err := fs.Glob(Files(), "assets/*.css")
	if err != nil || len(styles) == 0 {
		t.Fatalf("no style sheet: %v", err)
	}
	for _, name := range styles {
		css, err := fs.ReadFile(Files(), name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(css), "url(http") || strings.Contains(string(css), "@import") {
			t.Errorf("%s loads from elsewhere", name)
		}
	}
}
