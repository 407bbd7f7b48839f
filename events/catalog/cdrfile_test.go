package catalog_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
)

func TestCdrProfilesRefuse(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*wire.CdrProfile)
		want  string
	}{
		"right":       {func(*wire.CdrProfile) {}, ""},
		"other rows":  {func(p *wire.CdrProfile) { p.Id = "cdrs" }, "company and account of a profile cannot change"},
		"column":      {func(p *wire.CdrProfile) { p.Columns = []string{"call", "price"} }, "columns.1: \"price\" is no column"},
		"twice":       {func(p *wire.CdrProfile) { p.Columns = []string{"call", "call"} }, "columns.1: call stands twice"},
		"from":        {func(p *wire.CdrProfile) { p.FromUs = 0 }, "from_us"},
		"interval":    {func(p *wire.CdrProfile) { p.IntervalS = 86_401 }, "interval_s: 86401 s"},
		"offset":      {func(p *wire.CdrProfile) { p.OffsetS = 60 }, "offset_s: 60 s"},
		"format":      {func(p *wire.CdrProfile) { p.Format = 4 }, "format must be"},
		"no target":   {func(p *wire.CdrProfile) { p.Url = "" }, "either to a directory or to a url"},
		"two targets": {func(p *wire.CdrProfile) { p.Directory = "x" }, "either to a directory or to a url"},
		"outside":     {func(p *wire.CdrProfile) { p.Url, p.Directory = "", "a/../.." }, "directory:"},
		"absolute":    {func(p *wire.CdrProfile) { p.Url, p.Directory = "", "/etc" }, "directory:"},
		"plain":       {func(p *wire.CdrProfile) { p.Url = "http://files.example.net" }, "url:"},
		"user":        {func(p *wire.CdrProfile) { p.Url = "https://a:b@files.example.net" }, "url:"},
		"query":       {func(p *wire.CdrProfile) { p.Url = "https://files.example.net/?x" }, "url:"},
		"ca":          {func(p *wire.CdrProfile) { p.Ca = "x" }, "ca: certificates in PEM"},
		"sftp":        {sftp(func(*wire.CdrProfile) {}), ""},
		"nobody":      {sftp(func(p *wire.CdrProfile) { p.Url = "sftp://files.example.net/in" }), "url:"},
		"password":    {sftp(func(p *wire.CdrProfile) { p.Url = "sftp://a:b@files.example.net/in" }), "url:"},
		"no key":      {sftp(func(p *wire.CdrProfile) { p.HostKey = "" }), "host_key:"},
		"key of none": {sftp(func(p *wire.CdrProfile) { p.HostKey = "files.example.net ssh-ed25519 AAAA" }), "host_key:"},
		"no secret":   {sftp(func(p *wire.CdrProfile) { p.Secret = nil }), "token:"},
		"sftp's ca":   {sftp(func(p *wire.CdrProfile) { p.Ca = "-----BEGIN CERTIFICATE-----" }), "ca:"},
		"both":        {sftp(func(p *wire.CdrProfile) { p.Directory = "x" }), "either to a directory or to a url"},
		"https key":   {func(p *wire.CdrProfile) { p.HostKey = "ssh-ed25519 AAAA" }, "host_key:"},
		"account":     {func(p *wire.CdrProfile) { p.Account = "who" }, "needs account who"},
		"company":     {func(p *wire.CdrProfile) { p.Company = "other" }, "account cust is of company co"},
	} {
		s := world(t, append(small(), &wire.Company{Id: "other"})...)
		p := &wire.CdrProfile{
			Id: "p", Account: "cust", FromUs: 1, IntervalS: 60, Format: wire.CdrFormat_CDR_FORMAT_CSV, Url: "https://files.example.net/in",
		}
		c.spoil(p)
		_, err := s.Decide(now, changes([]any{p}))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// sftp makes a profile one that sends by SFTP before it is spoiled.
func sftp(spoil func(*wire.CdrProfile)) func(*wire.CdrProfile) {
	return func(p *wire.CdrProfile) {
		p.Url, p.HostKey, p.Secret = "sftp://tollbook@files.example.net:2022/in", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA", []byte("wrapped")
		spoil(p)
	}
}

// TestCdrFilesFollow: files come one after the other, each from the version of the one
// before, and what is known of them is never taken back.
func TestCdrFilesFollow(t *testing.T) {
	s := world(t, small()...)
	ref := catalog.Ref{Kind: catalog.KindCdrProgress, ID: "cdrs"}
	cut := func(number uint64) *wire.CdrProgress {
		return &wire.CdrProgress{Id: "cdrs", Number: number, Rows: make([]byte, 36), Count: 2, CutUs: 2}
	}
	item, _ := s.Get(ref)
	delivered := proto.CloneOf(item.Entity.GetCdrProgress())
	delivered.DeliveredUs, delivered.Rows = 5, nil
	refused := func(s *catalog.State, p *wire.CdrProgress, want string) {
		t.Helper()
		if _, err := s.Decide(now, changes([]any{p})); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", p, err)
		}
	}
	refused(s, cut(2), "file 2 of profile cdrs does not follow")
	refused(s, cut(1), "file 1 of profile cdrs does not follow")
	s = apply(t, s, 2, put(delivered))
	refused(s, cut(1), "does not follow")
	refused(s, cut(3), "does not follow")
	short := cut(2)
	short.Rows = short.Rows[1:]
	refused(s, short, "35 bytes are not 2 rows")
	again := put(cut(2))
	again.ExpectedVersion = 1
	if _, err := s.Decide(now, []*wire.ExpectedChange{again}); err == nil || !strings.Contains(err.Error(), "is at version 2, not 1") {
		t.Error(err)
	}
	s = apply(t, s, 3, put(cut(2)))
	if _, err := s.Decide(now, []*wire.ExpectedChange{{Change: &wire.Change{Entity: catalog.EntityOf(cut(2)), Remove: true}}}); err == nil {
		t.Error("a progress was removed")
	}
}
