package interconnect

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
)

func place(i int) *wire.NodePlace {
	ports := []*wire.NodePort{{Transport: "udp", Port: 5060}, {Transport: "tls", Port: 5061}}
	own, shared := fmt.Sprintf("192.0.2.%d", i), "192.0.2.100"
	return &wire.NodePlace{
		Node: fmt.Sprintf("n%d", i), Media: []string{own, shared}, MediaFrom: uint32(20000 + 1000*i), MediaTo: uint32(20999 + 1000*i), Zone: "sip.test",
		Listeners: []*wire.NodeListener{
			{Name: "own", Address: own, Ports: ports}, {Name: "more", Address: "192.0.2.20", Ports: ports[:1]},
			{Name: "shared", Address: shared, Ports: ports[:1], Shared: true},
		},
	}
}

func sheet(t *testing.T, e *wire.Entity) Sheet {
	t.Helper()
	s, ok := Of([]*wire.NodePlace{place(2), place(1)}, e)
	if !ok {
		t.Fatal("it has no sheet")
	}
	return s
}

func originator(edit func(*wire.Originator)) *wire.Entity {
	o := &wire.Originator{Id: "acme", Company: "acme-inc"}
	edit(o)
	return catalog.EntityOf(o)
}

func TestSheets(t *testing.T) {
	for _, c := range []struct {
		name   string
		entity *wire.Entity
		want   string
	}{
		{"who may call anywhere", originator(func(*wire.Originator) {}), "shared:udp n1/more:udp n1/own:tls n1/own:udp n2/more:udp n2/own:tls n2/own:udp | n1 192.0.2.1 n1 192.0.2.100 n2 192.0.2.100 n2 192.0.2.2"},
		{"who calls one listener", originator(func(o *wire.Originator) { o.Listener = "own" }), "n1/own:tls n1/own:udp n2/own:tls n2/own:udp | n1 192.0.2.1 n2 192.0.2.2"},
		{"who calls the shared address", originator(func(o *wire.Originator) { o.Listener = "shared" }), "shared:udp | n1 192.0.2.1 n1 192.0.2.100 n2 192.0.2.100 n2 192.0.2.2"},
		{"who belongs to a node", originator(func(o *wire.Originator) { o.Nodes = []string{"n2"}; o.Listener = "own" }), "n2/own:tls n2/own:udp | n2 192.0.2.2"},
		{"whose node may fail", originator(func(o *wire.Originator) { o.Nodes, o.NodesFailover, o.Listener = []string{"n2"}, true, "more" }), "n1/more:udp n2/more:udp | n1 192.0.2.1 n2 192.0.2.2"},
		{"whom we call", catalog.EntityOf(&wire.Terminator{Id: "v"}), "n1/own:tls n1/own:udp n2/own:tls n2/own:udp | n1 192.0.2.1 n2 192.0.2.2"},
	} {
		s := sheet(t, c.entity)
		var doors, media []string
		for _, d := range s.Signalling {
			at := "shared"
			if d.Node != "" {
				at = d.Node + "/" + d.Listener
			}
			doors = append(doors, at+":"+d.Transport)
		}
		for _, m := range s.Media {
			media = append(media, m.Node+" "+m.Address)
		}
		if got := strings.Join(doors, " ") + " | " + strings.Join(media, " "); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.name, got, c.want)
		}
	}
	if _, ok := Of(nil, catalog.EntityOf(&wire.Company{Id: "c"})); ok {
		t.Error("a company has a sheet")
	}
}

// The hash changes with what is told and with nothing else.
func TestHash(t *testing.T) {
	plain := sheet(t, originator(func(*wire.Originator) {})).Hash()
	for name, e := range map[string]*wire.Entity{
		"a codec":    originator(func(o *wire.Originator) { o.Sip = &wire.SipPolicy{Codecs: []string{"PCMA"}} }),
		"a listener": originator(func(o *wire.Originator) { o.Listener = "own" }),
	} {
		if bytes.Equal(sheet(t, e).Hash(), plain) {
			t.Errorf("%s does not change it", name)
		}
	}
	if !bytes.Equal(sheet(t, originator(func(o *wire.Originator) { o.Channels, o.SheetTold = 7, plain })).Hash(), plain) {
		t.Error("it changes with what is not told")
	}
}

func TestTexts(t *testing.T) {
	s := sheet(t, originator(func(o *wire.Originator) { o.Sip = &wire.SipPolicy{Codecs: []string{"PCMA"}} }))
	var read struct {
		Peer, Domain string
		Signalling   []struct {
			Address string
			Port    int
		}
		Media  []struct{ From, To int }
		Codecs []string
	}
	if err := yaml.Unmarshal([]byte(s.YAML()), &read); err != nil || read.Domain != "sip.test" || len(read.Signalling) != len(s.Signalling) || read.Media[0].From != 21000 || read.Codecs[0] != "PCMA" {
		t.Errorf("%+v, %v", read, err)
	}
	if got := strings.Count(s.CSV(), "\n"); got != 1+1+len(s.Signalling)+len(s.Media)+1 {
		t.Errorf("%d lines", got)
	}
}

var (
	xrefLine = regexp.MustCompile(`(?m)^(\d{10}) 00000 n $`)
	length   = regexp.MustCompile(`/Length (\d+) >>\nstream\n`)
)

// A PDF's table of objects and lengths of streams are true, on several pages, whatever
// letters names have.
func TestPDF(t *testing.T) {
	s := sheet(t, originator(func(o *wire.Originator) { o.Company = `Müller (Söhne) \ 東京` }))
	for range 6 {
		s.Signalling = append(s.Signalling, s.Signalling...)
	}
	pdf := s.PDF("as of today")
	entries := xrefLine.FindAllSubmatch(pdf, -1)
	for i, m := range entries {
		offset, _ := strconv.Atoi(string(m[1]))
		if want := fmt.Sprintf("%d 0 obj\n", i+1); !bytes.HasPrefix(pdf[offset:], []byte(want)) {
			t.Errorf("object %d is not at %d", i+1, offset)
		}
	}
	if len(entries) < 3+2*2 || !bytes.Contains(pdf, []byte(`M\374ller \(S\366hne\) \\ ??`)) {
		t.Errorf("%d objects", len(entries))
	}
	for _, m := range length.FindAllSubmatchIndex(pdf, -1) {
		n, _ := strconv.Atoi(string(pdf[m[2]:m[3]]))
		if !bytes.HasPrefix(pdf[m[1]+n:], []byte("\nendstream")) {
			t.Error("a stream's length is wrong")
		}
	}
}
