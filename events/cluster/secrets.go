package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// The files of a group's secrets. The authority's key signs new nodes and is needed
// on none of them.
const (
	authorityFile    = "authority.pem"
	authorityKeyFile = "authority.key"
	nodeFile         = "node.pem"
	nodeKeyFile      = "node.tls.key"
)

// certificateLife is how long certificates hold: people replace nodes before that.
const certificateLife = 20 * 365 * 24 * time.Hour

// MakeSecrets makes a directory with the secrets of a new group: the authority that
// vouches for its nodes, and the cluster key, which is a copy of the file oldKey where
// one is named. It is kept apart from the nodes.
func MakeSecrets(dir, group, oldKey string, now time.Time) error {
	if exists(filepath.Join(dir, authorityKeyFile)) {
		return fmt.Errorf("%s holds the secrets of a cluster already", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the cluster's secrets: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make the cluster's secrets: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Tollbook cluster " + group},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	if err := writeCertificate(dir, authorityFile, authorityKeyFile, template, template, key, key); err != nil {
		return fmt.Errorf("make the cluster's secrets: %w", err)
	}
	if oldKey == "" {
		_, err = makeKey(filepath.Join(dir, KeyFile))
	} else {
		err = copyKey(oldKey, filepath.Join(dir, KeyFile))
	}
	if err != nil {
		return fmt.Errorf("make the cluster's secrets: %w", err)
	}
	return nil
}

func copyKey(from, to string) error {
	if _, err := ReadKey(from); err != nil {
		return err
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o600)
}

// Admit makes the directory to that is to be brought to a node: its certificate for
// its name and the host of its address, the authority's certificate, and the cluster
// key.
func Admit(dir, to, node, address string, now time.Time) error {
	fail := func(err error) error { return fmt.Errorf("admit node %s: %w", node, err) }
	if err := checkName(node); err != nil {
		return fail(err)
	}
	host, _, err := splitAddress(address)
	if err != nil {
		return fail(err)
	}
	authority, err := tls.LoadX509KeyPair(filepath.Join(dir, authorityFile), filepath.Join(dir, authorityKeyFile))
	if err != nil {
		return fail(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fail(err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return fail(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: node}, DNSNames: []string{node},
		NotBefore: now.Add(-time.Hour), NotAfter: authority.Leaf.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = append(template.DNSNames, host)
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return fail(err)
	}
	if err := writeCertificate(to, nodeFile, nodeKeyFile, template, authority.Leaf, key, authority.PrivateKey); err != nil {
		return fail(err)
	}
	for _, name := range []string{authorityFile, KeyFile} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return fail(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), text, 0o600); err != nil {
			return fail(err)
		}
	}
	return nil
}

func writeCertificate(dir, name, keyName string, template, parent *x509.Certificate, key *ecdsa.PrivateKey, signer any) error {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, keyName), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
}

// NodeTLS reads a node's certificate and its authority's: both sides of each
// connection must have one of that authority.
func NodeTLS(dir string) (*tls.Config, error) {
	own, err := tls.LoadX509KeyPair(filepath.Join(dir, nodeFile), filepath.Join(dir, nodeKeyFile))
	if err != nil {
		return nil, fmt.Errorf("read the node's certificate: %w; \"tollbook node admit\" makes it", err)
	}
	text, err := os.ReadFile(filepath.Join(dir, authorityFile))
	if err != nil {
		return nil, fmt.Errorf("read the certificate of the cluster's authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("read the certificate of the cluster's authority: " + filepath.Join(dir, authorityFile) + " holds none")
	}
	return &tls.Config{
		Certificates: []tls.Certificate{own}, RootCAs: pool, ClientCAs: pool,
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13,
	}, nil
}
