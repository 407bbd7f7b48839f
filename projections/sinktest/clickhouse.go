// Package sinktest starts the servers that sinks are tested with.
package sinktest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// ClickHouse is a server of the test's own, or the one that TOLLBOOK_TEST_CLICKHOUSE names
// as host:port.
type ClickHouse struct {
	// Address is host:port of its native protocol, or where HTTP says so, of that.
	Address string
	HTTP    bool

	t       *testing.T
	dir     string
	command *exec.Cmd
}

// StartClickHouse starts ClickHouse as a library where TOLLBOOK_TEST_CHDB names one, or Debian's clickhouse-server where it is installed, or skips the test.
func StartClickHouse(t *testing.T) *ClickHouse {
	t.Helper()
	if os.Getenv("TOLLBOOK_TEST_CHDB") != "" {
		return startChDB(t)
	}
	if at := os.Getenv("TOLLBOOK_TEST_CLICKHOUSE"); at != "" {
		return &ClickHouse{t: t, Address: at}
	}
	if _, err := exec.LookPath("clickhouse-server"); err != nil {
		t.Skip("NO CLICKHOUSE: clickhouse-server is not installed and TOLLBOOK_TEST_CLICKHOUSE names none")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &ClickHouse{t: t, dir: t.TempDir(), Address: free.Addr().String()}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	e.configure()
	e.Start()
	t.Cleanup(e.Kill)
	return e
}

func (e *ClickHouse) configure() {
	_, port, err := net.SplitHostPort(e.Address)
	if err != nil {
		e.t.Fatal(err)
	}
	text := fmt.Sprintf(`<yandex><logger><level>warning</level><log>%[1]s/log</log><errorlog>%[1]s/err</errorlog></logger>
<tcp_port>%[2]s</tcp_port><listen_host>127.0.0.1</listen_host><path>%[1]s/data/</path><tmp_path>%[1]s/tmp/</tmp_path>
<mark_cache_size>67108864</mark_cache_size><users_config>%[1]s/users.xml</users_config><default_profile>default</default_profile><default_database>default</default_database></yandex>`, e.dir, port)
	users := `<yandex><profiles><default/></profiles><users><default><password></password><networks><ip>127.0.0.1</ip></networks>
<profile>default</profile><quota>default</quota></default></users><quotas><default/></quotas></yandex>`
	for name, text := range map[string]string{"config.xml": text, "users.xml": users} {
		if err := os.WriteFile(filepath.Join(e.dir, name), []byte(text), 0o600); err != nil {
			e.t.Fatal(err)
		}
	}
}

// Start starts the server and waits until it answers.
func (e *ClickHouse) Start() {
	e.t.Helper()
	e.command = exec.Command("clickhouse-server", "--config-file="+filepath.Join(e.dir, "config.xml"))
	e.command.Dir = e.dir
	e.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := e.command.Start(); err != nil {
		e.t.Fatal(err)
	}
	for range 300 {
		if e.answers() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	text, err := os.ReadFile(filepath.Join(e.dir, "err"))
	e.t.Fatalf("clickhouse-server does not answer: %s %v", text, err)
}

func (e *ClickHouse) answers() bool {
	conn, err := clickhouse.Open(&clickhouse.Options{Addr: []string{e.Address}, DialTimeout: time.Second})
	if err != nil {
		e.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return conn.Ping(e.t.Context()) == nil
}

// Protocol is the word for it in a node's file.
func (e *ClickHouse) Protocol() string {
	if e.HTTP {
		return "http"
	}
	return "native"
}

// Own says that the server is the test's, to be killed and started.
func (e *ClickHouse) Own() bool { return e.dir != "" }

// Kill ends the server without asking it.
func (e *ClickHouse) Kill() {
	if e.command == nil {
		return
	}
	_ = e.command.Process.Kill()
	_ = e.command.Wait()
	e.command = nil
}
