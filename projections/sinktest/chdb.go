package sinktest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	blocks "github.com/ClickHouse/clickhouse-go/v2/lib/proto"
	"github.com/ebitengine/purego"
)

// chdb is a ClickHouse of our day as a library, with ClickHouse's HTTP interface before it:
// as much of it as the driver uses. A process can have one.
type chdb struct {
	mu         sync.Mutex
	dir        string
	connection *unsafe.Pointer
	files      int
	address    string

	connect func(argc int32, argv **byte) *unsafe.Pointer
	query   func(connection unsafe.Pointer, query *byte, length uintptr, format *byte, formatLength uintptr) unsafe.Pointer
	buffer  func(result unsafe.Pointer) unsafe.Pointer
	length  func(result unsafe.Pointer) uintptr
	failure func(result unsafe.Pointer) unsafe.Pointer
	destroy func(result unsafe.Pointer)
}

var library = sync.OnceValues(openLibrary)

// startChDB starts the library that TOLLBOOK_TEST_CHDB names by its path.
func startChDB(t *testing.T) *ClickHouse {
	t.Helper()
	c, err := library()
	if err != nil {
		t.Fatal(err)
	}
	return &ClickHouse{t: t, Address: c.address, HTTP: true}
}

func openLibrary() (*chdb, error) {
	handle, err := purego.Dlopen(os.Getenv("TOLLBOOK_TEST_CHDB"), purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, err
	}
	c := new(chdb)
	for name, to := range map[string]any{
		"chdb_connect": &c.connect, "chdb_query_n": &c.query, "chdb_result_buffer": &c.buffer,
		"chdb_result_length": &c.length, "chdb_result_error": &c.failure, "chdb_destroy_query_result": &c.destroy,
	} {
		purego.RegisterLibFunc(to, handle, name)
	}
	if c.dir, err = os.MkdirTemp("", "tollbook-chdb-*"); err != nil {
		return nil, err
	}
	args := []*byte{text("clickhouse"), text("--path=" + filepath.Join(c.dir, "data"))}
	if c.connection = c.connect(int32(len(args)), &args[0]); c.connection == nil {
		return nil, errors.New("chdb does not open")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c.address = listener.Addr().String()
	server := &http.Server{Handler: c, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // to the end of the process
	return c, nil
}

func text(s string) *byte { return &append([]byte(s), 0)[0] }

// hello is what the driver asks first.
const hello = "SELECT displayName(), version(), revision(), timezone()"

func (c *chdb) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unpacked
	}
	data, err := io.ReadAll(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	params := r.URL.Query()
	var answer []byte
	switch insert := params.Get("query"); {
	case insert != "":
		answer, err = c.insert(insert, params, data)
	case string(data) == hello:
		answer, err = c.greet()
	default:
		answer, err = c.ask(string(data)+settings(string(data), params), "Native")
	}
	if err != nil {
		code := "0"
		if _, after, found := strings.Cut(err.Error(), "Code: "); found {
			code, _, _ = strings.Cut(after, ".")
		}
		w.Header().Set("X-ClickHouse-Exception-Code", code)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(answer) // who went away gets nothing
}

// settings are those that come with a request, as a clause; statements that change tables
// take none.
func settings(query string, params url.Values) string {
	verb, _, _ := strings.Cut(strings.TrimSpace(query), " ")
	if !slices.Contains([]string{"SELECT", "INSERT"}, strings.ToUpper(verb)) {
		return ""
	}
	var clause []string
	for name, values := range params {
		switch name {
		case "query", "query_id", "default_format", "client_protocol_version", "database":
		default:
			value := values[0]
			if _, err := strconv.Atoi(value); err != nil {
				value = "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
			}
			clause = append(clause, name+" = "+value)
		}
	}
	if len(clause) == 0 {
		return ""
	}
	slices.Sort(clause)
	return " SETTINGS " + strings.Join(clause, ", ")
}

// insert has the library read the rows from a file.
func (c *chdb) insert(query string, params url.Values, data []byte) ([]byte, error) {
	c.mu.Lock()
	c.files++
	at := filepath.Join(c.dir, fmt.Sprintf("insert-%d.native", c.files))
	c.mu.Unlock()
	if err := os.WriteFile(at, data, 0o600); err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(at) }()
	into, _, found := strings.Cut(query, " FORMAT ")
	if !found {
		into, _, _ = strings.Cut(query, " VALUES")
	}
	return c.ask(into+" SELECT * FROM file('"+at+"', 'Native')"+settings(query, params), "Native")
}

// greet says of which version the library is. With the revision 0 the driver reads blocks
// in the plain form that the library gives.
func (c *chdb) greet() ([]byte, error) {
	version, err := c.ask("SELECT version()", "TSVRaw")
	if err != nil {
		return nil, err
	}
	b := blocks.NewBlock()
	for _, c := range []struct{ name, kind string }{{"displayName()", "String"}, {"version()", "String"}, {"revision()", "UInt32"}, {"timezone()", "String"}} {
		if err := b.AddColumn(c.name, column.Type(c.kind)); err != nil {
			return nil, err
		}
	}
	if err := b.Append("chdb", strings.TrimSpace(string(version)), uint32(0), "UTC"); err != nil {
		return nil, err
	}
	var buffer proto.Buffer
	err = b.Encode(&buffer, clickhouse.ClientTCPProtocolVersion)
	return buffer.Buf, err
}

// ask runs one query.
func (c *chdb) ask(query, format string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q, f := []byte(query), []byte(format)
	result := c.query(*c.connection, &q[0], uintptr(len(q)), &f[0], uintptr(len(f)))
	if result == nil {
		return nil, errors.New("chdb gives no result")
	}
	defer c.destroy(result)
	if told := c.failure(result); told != nil {
		n := 0
		for *(*byte)(unsafe.Add(told, n)) != 0 {
			n++
		}
		return nil, errors.New(string(unsafe.Slice((*byte)(told), n)))
	}
	n := c.length(result)
	if n == 0 {
		return nil, nil
	}
	return bytes.Clone(unsafe.Slice((*byte)(c.buffer(result)), n)), nil
}
