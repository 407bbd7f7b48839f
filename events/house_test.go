package events_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The house: which folder stands on which floor. Imports go down, or sideways
// inside one top folder. A folder that is not named stands on its parent's floor.

const module = "github.com/tollbook/tollbook"

var floors = map[string]int{
	"events": 0, "events/wire": 0, "events/money": 0, "events/number": 0, "events/rating": 0, "events/catalog": 0,
	"events/ledger": 0, "events/state": 0, "events/routing": 0, "events/call": 0, "events/offline": 0, "events/interconnect": 0, "events/digest": 0, "schema": 0, "deploy": 0,
	"events/journal": 1, "events/book": 1, "events/cluster": 1, "events/lease": 1, "events/world": 1, "events/sheet": 1, "events/backup": 1, "events/alone": 1,
	"projections": 2, "media": 2,
	"sip": 3, "graphql": 3,
	"cmd": 4,
}

// strict are the folders of which every package must be named above: a new room
// in events must say on which floor it stands.
var strict = []string{"events"}

// pure is all that floor 0 may import beside its own rooms: nothing in it does
// I/O, reads a clock, starts a goroutine or draws a number. Of time and fmt the
// calls below are forbidden.
var pure = []string{
	"bytes", "cmp", "container/list", "crypto/hmac", "crypto/md5", "crypto/sha256", "encoding/base64", "encoding/binary", "encoding/csv", "encoding/hex", "errors", "fmt", "io", "iter",
	"maps", "math", "math/big", "math/bits", "net/netip", "regexp", "slices", "sort", "strconv", "strings", "sync/atomic", "time",
	"unicode", "unicode/utf8", "google.golang.org/protobuf/",
}

var pureCalls = map[string][]string{
	"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "LoadLocation"},
	"fmt":  {"Print", "Println", "Printf", "Scan", "Scanln", "Scanf"},
}

const (
	maxLines    = 400
	maxFunction = 70
)

// longer are the files and functions that may be longer than others, and why.
var longer = map[string]string{}

var emptyNames = []string{"util", "utils", "common", "helper", "helpers", "types", "manager", "managers", "misc", "base"}

// visit is one file under inspection.
type visit struct {
	path      string // from the module's root, with slashes
	dir       string
	test      bool
	generated bool
	file      *ast.File
	set       *token.FileSet
	problems  []string
}

func inspect(name string, src []byte) ([]string, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, src, parser.SkipObjectResolution|parser.ParseComments)
	if err != nil {
		return nil, err
	}
	v := &visit{
		path: name, dir: path.Dir(name), test: strings.HasSuffix(name, "_test.go"),
		generated: ast.IsGenerated(file), file: file, set: set,
	}
	v.names()
	v.arrows()
	v.lengths()
	if floor, ok := floorOf(v.dir); ok && floor == 0 && !v.test && !v.generated {
		v.purity()
	}
	return v.problems, nil
}

func (v *visit) problem(at token.Pos, format string, args ...any) {
	where := v.path
	if at.IsValid() {
		where = fmt.Sprintf("%s:%d", v.path, v.set.Position(at).Line)
	}
	v.problems = append(v.problems, where+": "+fmt.Sprintf(format, args...))
}

func floorOf(dir string) (int, bool) {
	for at := dir; at != "." && at != "/"; at = path.Dir(at) {
		if floor, ok := floors[at]; ok {
			return floor, at == dir || !slices.Contains(strict, at)
		}
	}
	return 0, false
}

func top(dir string) string {
	first, _, _ := strings.Cut(dir, "/")
	return first
}

func (v *visit) names() {
	if name := v.file.Name.Name; slices.Contains(emptyNames, strings.TrimSuffix(name, "_test")) {
		v.problem(v.file.Package, "package %s: the name says nothing about what is in it", name)
	}
	if v.dir == "sip" || v.dir == "graphql" {
		v.problem(v.file.Package, "%s/ holds no package of its own, so that the name always means the library", v.dir)
	}
	if _, ok := floorOf(v.dir); !ok {
		v.problem(v.file.Package, "folder %s stands on no floor: name it in house_test.go", v.dir)
	}
}

func (v *visit) arrows() {
	from, _ := floorOf(v.dir)
	for _, spec := range v.file.Imports {
		name := strings.Trim(spec.Path.Value, `"`)
		to, ours := strings.CutPrefix(name, module+"/")
		if !ours {
			continue
		}
		floor, known := floorOf(to)
		switch {
		case !known:
			v.problem(spec.Pos(), "imports %s, which stands on no floor", to)
		case floor > from:
			v.problem(spec.Pos(), "floor %d imports %s on floor %d above it", from, to, floor)
		case floor == from && top(to) != top(v.dir) && floor > 0:
			v.problem(spec.Pos(), "%s imports %s beside it", top(v.dir), to)
		}
	}
}

func (v *visit) lengths() {
	if v.generated {
		return
	}
	lines := v.set.File(v.file.Package).LineCount()
	if lines > maxLines && longer[v.path] == "" {
		v.problem(token.NoPos, "%d lines; a file has at most %d", lines, maxLines)
	}
	for _, d := range v.file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if f.Recv == nil && f.Name.Name == "init" {
			v.problem(f.Pos(), "func init: do it where it is needed")
		}
		n := v.set.Position(f.End()).Line - v.set.Position(f.Pos()).Line + 1
		if n > maxFunction && !v.test && longer[v.path+" "+f.Name.Name] == "" {
			v.problem(f.Pos(), "func %s has %d lines; a function has at most %d", f.Name.Name, n, maxFunction)
		}
	}
}

func (v *visit) purity() {
	for _, spec := range v.file.Imports {
		name := strings.Trim(spec.Path.Value, `"`)
		embeds := name == "embed" && (v.dir == "schema" || v.dir == "deploy")
		if embeds || strings.HasPrefix(name, module+"/") || name == module {
			continue
		}
		ok := slices.ContainsFunc(pure, func(p string) bool {
			return name == p || strings.HasSuffix(p, "/") && strings.HasPrefix(name, p)
		})
		if !ok {
			v.problem(spec.Pos(), "floor 0 imports %s", name)
		}
		if spec.Name != nil && pureCalls[name] != nil {
			v.problem(spec.Pos(), "floor 0 imports %s under another name", name)
		}
	}
	ast.Inspect(v.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			v.problem(n.Pos(), "floor 0 starts a goroutine")
		case *ast.SelectStmt, *ast.SendStmt, *ast.ChanType:
			v.problem(n.Pos(), "floor 0 uses channels")
		case *ast.BasicLit:
			if n.Kind == token.FLOAT {
				v.problem(n.Pos(), "floor 0 uses a floating point number")
			}
		case *ast.Ident:
			if n.Name == "float64" || n.Name == "float32" {
				v.problem(n.Pos(), "floor 0 uses %s", n.Name)
			}
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && slices.Contains(pureCalls[x.Name], n.Sel.Name) {
				v.problem(n.Pos(), "floor 0 calls %s.%s", x.Name, n.Sel.Name)
			}
		}
		return true
	})
}

// TestHouse reads every Go file of the module itself: a test that asks the go
// command is answered from the test cache, and misses new files.
func TestHouse(t *testing.T) {
	seen := 0
	err := fs.WalkDir(os.DirFS(".."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() && name != "." && (base[0] == '.' || base[0] == '_' || base == "node_modules" || base == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(name) != ".go" {
			return nil
		}
		seen++
		src, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		problems, err := inspect(name, src)
		for _, p := range problems {
			t.Error(p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 100 {
		t.Fatalf("only %d files were found: the walk is wrong", seen)
	}
}

func TestHouseCatchesViolations(t *testing.T) {
	use := func(imports ...string) string {
		s := "package x\n"
		for _, i := range imports {
			s += fmt.Sprintf("import _ %q\n", i)
		}
		return s
	}
	for _, c := range []struct{ name, path, src, want string }{
		{"downwards", "sip/b2bua/x.go", use(module + "/events/book"), ""},
		{"sideways", "projections/live/x.go", use(module + "/projections/lookup"), ""},
		{"upwards", "events/ledger/x.go", use(module + "/events/book"), "floor 0 imports events/book on floor 1"},
		{"tests too", "events/book/x_test.go", use(module + "/projections/live"), "floor 1 imports projections/live on floor 2"},
		{"siblings", "sip/b2bua/x.go", use(module + "/graphql/auth"), "sip imports graphql/auth beside it"},
		{"views", "media/relay/x.go", use(module + "/projections/live"), "media imports projections/live beside it"},
		{"new top folder", "pkg/x.go", use(), "stands on no floor"},
		{"new room", "events/tariff/x.go", use(), "stands on no floor"},
		{"disk", "events/rating/x.go", use("os"), "floor 0 imports os"},
		{"a disk in a test", "events/rating/x_test.go", use("os"), ""},
		{"addresses", "events/routing/x.go", use("net/netip"), ""},
		{"net", "events/routing/x.go", use("net"), "floor 0 imports net"},
		{"context", "events/state/x.go", use("context"), "floor 0 imports context"},
		{"locks", "events/call/x.go", use("sync"), "floor 0 imports sync"},
		{"dice", "events/x.go", use("math/rand/v2"), "floor 0 imports math/rand/v2"},
		{"a library", "events/x.go", use("github.com/nats-io/nats.go"), "floor 0 imports github.com/nats-io/nats.go"},
		{"embed", "events/x.go", use("embed"), "floor 0 imports embed"},
		{"embed in deploy", "deploy/x.go", use("embed"), ""},
		{"clock", "events/call/x.go", "package x\nimport \"time\"\nfunc f() { _ = time.Now() }", "calls time.Now"},
		{"clock renamed", "events/call/x.go", "package x\nimport t \"time\"\nfunc f() { _ = t.Now() }", "under another name"},
		{"clock taken along", "events/call/x.go", "package x\nimport \"time\"\nvar clock = time.Now", "calls time.Now"},
		{"goroutine", "events/call/x.go", "package x\nfunc f() { go f() }", "starts a goroutine"},
		{"channel", "events/call/x.go", "package x\nvar c chan int", "uses channels"},
		{"float", "events/money/x.go", "package x\nfunc f(x int) float64 { return 0 }", "uses float64"},
		{"float literal", "events/money/x.go", "package x\nvar x = 1.5", "floating point"},
		{"init", "cmd/tollbook/x.go", "package x\nfunc init() {}", "func init"},
		{"method init", "cmd/tollbook/x.go", "package x\ntype t int\nfunc (t) init() {}", ""},
		{"name", "media/util/x.go", "package util", "the name says nothing"},
		{"sip itself", "sip/x.go", "package sip", "holds no package of its own"},
		{"long file", "cmd/tollbook/x.go", "package x\n" + strings.Repeat("\n", maxLines), "401 lines"},
		{"long function", "cmd/tollbook/x.go", "package x\nfunc f() {\n" + strings.Repeat("\n", maxFunction) + "}", "func f has 72 lines"},
		{"long test", "cmd/tollbook/x_test.go", "package x\nfunc f() {\n" + strings.Repeat("\n", maxFunction) + "}", ""},
		{"long and generated", "events/wire/x.go", "// Code generated by x. DO NOT EDIT.\n\npackage x\n" + strings.Repeat("\n", maxLines), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			problems, err := inspect(c.path, []byte(c.src))
			if err != nil {
				t.Fatal(err)
			}
			all := strings.Join(problems, "\n")
			if c.want == "" && all != "" || !strings.Contains(all, c.want) {
				t.Errorf("got %q, want %q", all, c.want)
			}
		})
	}
}
