package server_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/model"
	"github.com/tollbook/tollbook/media/archive"
)

// shelf has the files of the switch; what is elsewhere comes when it is asked for.
type shelf struct {
	here, elsewhere map[archive.Name]string
	served          []string
}

type opened struct{ *bytes.Reader }

func (opened) Close() error { return nil }

func (s *fakeSwitch) HasFile(name archive.Name) bool { return s.files.here[name] != "" }

func (s *fakeSwitch) OpenFile(ctx context.Context, name archive.Name) (io.ReadSeekCloser, time.Time, error) {
	if err := s.FetchFile(ctx, name); err != nil {
		return nil, time.Time{}, err
	}
	return opened{bytes.NewReader([]byte(s.files.here[name]))}, name.Time(), nil
}

func (s *fakeSwitch) FetchFile(_ context.Context, name archive.Name) error {
	switch data := s.files.elsewhere[name]; {
	case s.files.here[name] != "":
	case data == "away":
		return events.Refuse(events.CodeUnavailable, "the node is away")
	case data == "":
		return events.NotFound("there is no file %q", name)
	default:
		s.files.here[name] = data
	}
	return nil
}

func (s *fakeSwitch) EraseFile(_ context.Context, name archive.Name, actor, reason string) error {
	if s.files.here[name] == "" {
		return events.NotFound("there is no file %q", name)
	}
	delete(s.files.here, name)
	s.observe("log.calls.n1", s.now(), &wire.Event{Actor: actor, Body: &wire.Event_FileRemoved{FileRemoved: &wire.FileRemoved{
		Call: name.Call[:], Name: name.Below(), Node: name.Node, Holder: name.Node, Why: wire.RemovalReason_REMOVAL_REASON_ERASURE, Note: reason,
	}}})
	return nil
}

func (s *fakeSwitch) FileServed(_ context.Context, name archive.Name, actor, address string) error {
	s.files.served = append(s.files.served, actor+" "+name.Kind.String()+" "+address)
	return nil
}

// file puts a file on the shelf, or elsewhere, and its event into the history.
func (f *fixture) file(call events.CallID, kind archive.Kind, part int, data string, here bool) archive.Name {
	name := archive.Name{Node: "n1", Call: call, Part: part, Kind: kind}
	if f.files.here == nil {
		f.files = shelf{here: map[archive.Name]string{}, elsewhere: map[archive.Name]string{}}
	}
	if here {
		f.files.here[name] = data
	} else {
		f.files.elsewhere[name] = data
	}
	f.observe("log.calls.n1", f.now(), &wire.Event{Body: &wire.Event_FileMade{FileMade: &wire.FileMade{
		Call: call[:], Part: uint32(part), Kind: wire.FileKind(kind), Name: name.Below(), Node: "n1", Size: uint64(len(data)),
		Sha256: bytes.Repeat([]byte{0xab}, 32), Codec: "PCMU", PausedMs: 1500,
	}}})
	return name
}

func (c *client) get(path, byteRange string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(c.t.Context(), http.MethodGet, path, nil)
	if byteRange != "" {
		r.Header.Set("Range", byteRange)
	}
	return c.send(r)
}

func TestFiles(t *testing.T) {
	f := newFixture(t, noon)
	wav := f.file(f.answered, archive.Recording, 1, "RIFF0123456789", true)
	pcap := f.file(f.answered, archive.Capture, 1, "packets", false)
	away := f.file(f.answered, archive.Recording, 2, "away", false)
	query := `{ call(id: "` + model.CallID(f.answered) + `") { files { name kind part state url size sha256 codec paused } legs { leg files { name } } } }`
	got := f.as("noel").must(query, nil)
	if got.len("call.files") != 3 || got.text("call.files.0.url") != "/files/"+wav.String() || got.text("call.files.0.state") != "HERE" ||
		got.text("call.files.2.state") != "ELSEWHERE" || got.text("call.files.0.size") != "14" || got.text("call.files.0.paused") != "1.500" ||
		got.len("call.legs.0.files") != 3 || got.len("call.legs.1.files") != 0 {
		t.Errorf("a NOC's files: %v", got)
	}
	if own := f.as("adam").must(query, nil); own.len("call.files") != 2 {
		t.Errorf("the customer's files: %v", own)
	}
	for _, c := range []struct {
		user, file, byteRange string
		status                int
		body, kind            string
	}{
		{"noel", wav.String(), "", 200, "RIFF0123456789", "audio/wav"},
		{"noel", wav.String(), "bytes=4-7", 206, "0123", "audio/wav"},
		{"noel", wav.String(), "bytes=99-", 416, "", ""},
		{"noel", pcap.String(), "", 200, "packets", "application/vnd.tcpdump.pcap"}, // fetched
		{"noel", away.String(), "", 503, "", ""},
		{"adam", wav.String(), "", 200, "RIFF0123456789", "audio/wav"},
		{"adam", pcap.String(), "", 404, "", ""},
		{"bert", wav.String(), "", 404, "", ""},
		{"", wav.String(), "", 401, "", ""},
		{"noel", "n1/2026/11/22/SHA256SUMS", "", 404, "", ""},
		{"noel", strings.Replace(wav.String(), "-1.wav", "-7.wav", 1), "", 404, "", ""},
	} {
		client := f.client()
		if c.user != "" {
			client = f.as(c.user)
		}
		res := client.get("/files/"+c.file, c.byteRange)
		if res.Code != c.status || c.body != "" && res.Body.String() != c.body || c.kind != "" && res.Header().Get("Content-Type") != c.kind {
			t.Errorf("%s gets %s %s: %d %q %v", c.user, c.file, c.byteRange, res.Code, res.Body, res.Header())
		}
	}
	if how := f.as("noel").get("/files/"+wav.String()+"?download", "").Header().Get("Content-Disposition"); !strings.HasPrefix(how, "attachment; filename=") {
		t.Errorf("a download comes as %q", how)
	}
	// One hearing each, however many ranges, and none of what was refused to others.
	const at = " 192.0.2.200"
	want := []string{"user:noel recording" + at, "user:noel capture" + at, "user:adam recording" + at}
	if !slices.Equal(f.files.served, want) {
		t.Errorf("served %q, want %q", f.files.served, want)
	}
}

func TestFileList(t *testing.T) {
	f := newFixture(t, noon)
	wav := f.file(f.answered, archive.Recording, 1, "one", true)
	away := f.file(f.answered, archive.Recording, 2, "away", false)
	pcap := f.file(f.answered, archive.Capture, 1, "two", false)
	c := f.as("noel")
	if got := c.must(`{ files(first: 5, kind: RECORDING, node: "n1") { nodes { name } } }`, nil); got.len("files.nodes") != 2 {
		t.Errorf("recordings: %v", got)
	}
	const fetch = `mutation($i: FileFetchInput!) { fileFetch(input: $i) { file { state } userErrors { code } } }`
	for name, want := range map[string]string{pcap.String(): "", away.String(): "UNAVAILABLE", "nonsense": "NOT_FOUND"} {
		got := c.must(fetch, map[string]any{"i": map[string]any{"name": name}})
		if want == "" && got.text("fileFetch.file.state") != "HERE" || want != "" && got.text("fileFetch.userErrors.0.code") != want {
			t.Errorf("fetch %s: %v", name, got)
		}
	}
	const erase = `mutation($i: FileEraseInput!) { fileErase(input: $i) { removed userErrors { code } } }`
	c.refused("FORBIDDEN", erase, map[string]any{"i": map[string]any{"name": wav.String(), "reason": "x"}})
	root := f.as("root")
	if got := root.must(erase, map[string]any{"i": map[string]any{"name": wav.String(), "reason": ""}}); got.text("fileErase.userErrors.0.code") != "INVALID" {
		t.Errorf("without a reason: %v", got)
	}
	if got := root.must(erase, map[string]any{"i": map[string]any{"name": wav.String(), "reason": "asked for"}}); got.text("fileErase.removed") != wav.String() {
		t.Errorf("erased: %v", got)
	}
	if got := c.must(`{ files(first: 5) { nodes { name } } }`, nil); got.len("files.nodes") != 2 {
		t.Errorf("what is left: %v", got)
	}
	got := c.must(`{ files(first: 5, removed: true, kind: RECORDING) { nodes { name state url removedWhy } } audit(first: 5, kind: FILE_ERASED) { nodes { actor note } } }`, nil)
	if got.len("files.nodes") != 2 || !strings.Contains(got.text("audit.nodes.0.note"), "asked for") {
		t.Errorf("what was removed: %v", got)
	}
	f.as("adam").refused("FORBIDDEN", `{ files(first: 5) { nodes { name } } }`, nil)
}
