package archive

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tollbook/tollbook/events"
)

// maxPart bounds the files of one kind that a call may have.
const maxPart = 9999

// Name names a file on all nodes.
type Name struct {
	// Node is the one that made it.
	Node string
	Call events.CallID
	Part int
	Kind Kind
}

var nodeName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// Dir is the path of the file's day: "n1/2026/11/22".
func (n Name) Dir() string { return n.Node + n.Time().Format("/2006/01/02") }

// Base is the file's own name: the call's id, the part and what it is.
func (n Name) Base() string { return n.Call.String() + "-" + strconv.Itoa(n.Part) + n.Kind.extension() }

// Below is the path below the node's directory, which an event tells.
func (n Name) Below() string { return n.Time().Format("2006/01/02/") + n.Base() }

// String is the path from the tree's root: "n1/2026/11/22/<call>-1.wav".
func (n Name) String() string { return n.Dir() + "/" + n.Base() }

// Time is when the call began, in UTC.
func (n Name) Time() time.Time { return n.Call.Time() }

// ParseName reads what String writes, and nothing else.
func ParseName(text string) (Name, error) {
	bad := func() (Name, error) {
		return Name{}, events.Invalid("%q is not the name of a recording, a capture or an export", text)
	}
	node, _, ok := strings.Cut(text, "/")
	if !ok || !nodeName.MatchString(node) {
		return bad()
	}
	n, err := parseBase(node, path.Base(text))
	if err != nil || n.String() != text {
		return bad()
	}
	return n, nil
}

// parseBase reads a file's own name.
func parseBase(node, base string) (Name, error) {
	n := Name{Node: node}
	for _, k := range kinds {
		if rest, ok := strings.CutSuffix(base, k.extension()); ok {
			n.Kind, base = k, rest
		}
	}
	cut := strings.LastIndexByte(base, '-')
	if n.Kind == 0 || cut < 0 {
		return n, events.Invalid("%q is not the name of a recording, a capture or an export", base)
	}
	var err error
	if n.Call, err = events.ParseCallID(base[:cut]); err != nil {
		return n, err
	}
	n.Part, err = strconv.Atoi(base[cut+1:])
	if err != nil || n.Part < 1 || n.Part > maxPart || base != n.Call.String()+"-"+strconv.Itoa(n.Part) {
		return n, events.Invalid("%q is not the name of a recording, a capture or an export", base)
	}
	return n, nil
}

// name is that of a file of this node.
func (s *Store) name(kind Kind, call string, part int) (Name, error) {
	id, err := events.ParseCallID(call)
	if err != nil {
		return Name{}, err
	}
	if kind < Recording || kind > Workbook || part < 1 || part > maxPart {
		return Name{}, fmt.Errorf("archive: there is no kind %d or part %d", kind, part)
	}
	return Name{Node: s.config.Node, Call: id, Part: part, Kind: kind}, nil
}

func (s *Store) path(n Name) string { return filepath.Join(s.Tree(), filepath.FromSlash(n.String())) }

func (s *Store) partOf(n Name) string { return filepath.Join(s.parts(), n.Base()+".part") }
