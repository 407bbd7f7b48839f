package gate

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"time"
)

// lookEvery is how often files are looked at for a renewal.
const lookEvery = 10 * time.Second

// Identity is a listener's certificate and the authorities that it trusts, read
// from files. When those change they are read anew; connections that are open stay
// as they are. A nil Identity has no certificate and trusts the system's authorities.
type Identity struct {
	certificate, key, authorities string
	failed                        func(error)

	mu     sync.Mutex
	looked time.Time
	stamp  string
	cert   *tls.Certificate
	pool   *x509.CertPool // nil trusts the system's
}

// LoadIdentity reads PEM files. Authorities may be empty; if there are any, far
// ends that call us may prove who they are. failed is told of a renewal that cannot
// be read: then the old files' content stays.
func LoadIdentity(certificate, key, authorities string, failed func(error)) (*Identity, error) {
	id := &Identity{certificate: certificate, key: key, authorities: authorities, failed: failed}
	id.looked, id.stamp = time.Now(), id.stamps()
	return id, id.read()
}

// stamps tells one state of the files from another.
func (id *Identity) stamps() string {
	s := ""
	for _, name := range []string{id.certificate, id.key, id.authorities} {
		if info, err := os.Stat(name); err == nil {
			s += fmt.Sprintf("%d %d\n", info.Size(), info.ModTime().UnixNano())
		}
	}
	return s
}

func (id *Identity) read() error {
	cert, err := tls.LoadX509KeyPair(id.certificate, id.key)
	if err != nil {
		return fmt.Errorf("read the certificate %s and its key %s: %w", id.certificate, id.key, err)
	}
	var pool *x509.CertPool
	if id.authorities != "" {
		data, err := os.ReadFile(id.authorities)
		if err != nil {
			return fmt.Errorf("read the authorities: %w", err)
		}
		if pool = x509.NewCertPool(); !pool.AppendCertsFromPEM(data) {
			return fmt.Errorf("read the authorities: %s holds no certificate", id.authorities)
		}
	}
	id.cert, id.pool = &cert, pool
	return nil
}

// now is what the files hold, looked at every ten seconds.
func (id *Identity) now() (*tls.Certificate, *x509.CertPool) {
	id.mu.Lock()
	defer id.mu.Unlock()
	if time.Since(id.looked) > lookEvery {
		id.looked = time.Now()
		if stamp := id.stamps(); stamp != id.stamp {
			id.stamp = stamp
			if err := id.read(); err != nil && id.failed != nil {
				id.failed(err)
			}
		}
	}
	return id.cert, id.pool
}

// Renew looks at the files at once.
func (id *Identity) Renew() error {
	id.mu.Lock()
	defer id.mu.Unlock()
	id.looked, id.stamp = time.Now(), id.stamps()
	return id.read()
}

// server is for connections that far ends open.
func (id *Identity) server() *tls.Config {
	cert, pool := id.now()
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*cert}}
	if pool != nil {
		c.ClientAuth, c.ClientCAs = tls.VerifyClientCertIfGiven, pool
	}
	return c
}

// client is for connections that we open to a far end with a certificate for a name
// (RFC 5922). Asked for ours we show it.
func (id *Identity) client(name string) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: name}
	if id == nil {
		return c
	}
	cert, pool := id.now()
	c.Certificates, c.RootCAs = []tls.Certificate{*cert}, pool
	return c
}
