package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"os"
	"path/filepath"
	"testing"
)

// Who was removed stays out from the first moment of the next run, before the book can
// be read.
func TestRefusedStaysOut(t *testing.T) {
	dir := t.TempDir()
	of := func(name string) tls.ConnectionState {
		return tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Subject: pkix.Name{CommonName: name}}}}
	}
	s := &Server{dir: dir}
	if err := s.Refuse(nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, refusedFile)); err == nil {
		t.Error("nobody is remembered")
	}
	for _, nodes := range [][]string{{"n2"}, {"n2", "n3"}, {"n3"}} {
		if err := s.Refuse(nodes); err != nil {
			t.Fatal(err)
		}
		next := &Server{dir: dir}
		if err := next.recallRefused(); err != nil {
			t.Fatal(err)
		}
		in := map[string]bool{"n1": true, "n2": true, "n3": true}
		for _, name := range nodes {
			in[name] = false
		}
		for name, want := range in {
			if err := next.letIn(of(name)); (err == nil) != want {
				t.Errorf("with %v refused, %s: %v", nodes, name, err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, refusedFile), []byte("["), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (&Server{dir: dir}).recallRefused(); err == nil {
		t.Error("a damaged file is taken for nobody")
	}
}
