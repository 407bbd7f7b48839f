package rsync

import (
	"context"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"
)

// Identity is what the nodes of a cluster have in common, and nobody else has: a key
// pair derived from the cluster's secret. Both ends of a connection show it (TLS 1.3).
type Identity struct {
	key         ed25519.PrivateKey
	certificate []byte
}

// ServerName is the name in the certificate.
const ServerName = "files.tollbook.internal"

// NewIdentity derives the identity from a secret of at least 32 bytes: the same from
// the same.
func NewIdentity(secret []byte) (*Identity, error) {
	if len(secret) < 32 {
		return nil, fmt.Errorf("a secret of %d bytes is too short", len(secret))
	}
	seed, err := hkdf.Key(sha256.New, secret, nil, "tollbook files 1", ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	id := &Identity{key: ed25519.NewKeyFromSeed(seed)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: ServerName}, DNSNames: []string{ServerName},
		NotBefore: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	id.certificate, err = x509.CreateCertificate(rand.Reader, template, template, id.key.Public(), id.key)
	return id, err
}

// TLS is the configuration of either end.
func (id *Identity) TLS() *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{{Certificate: [][]byte{id.certificate}, PrivateKey: id.key}},
		ServerName:   ServerName,
		ClientAuth:   tls.RequireAnyClientCert,
		// Not authorities and names count, but the key itself.
		InsecureSkipVerify: true,
		VerifyConnection:   id.verify,
	}
}

func (id *Identity) verify(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the other side shows no certificate")
	}
	if !id.key.Public().(ed25519.PublicKey).Equal(state.PeerCertificates[0].PublicKey) {
		return errors.New("the other side does not have this cluster's key")
	}
	return nil
}

// PEM is the certificate and the key for other programs, such as rsync-ssl.
func (id *Identity) PEM() (certificate, key []byte, err error) {
	der, err := x509.MarshalPKCS8PrivateKey(id.key)
	if err != nil {
		return nil, nil, err
	}
	certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: id.certificate})
	return certificate, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// Dial connects to a daemon: by TLS with an identity, plainly with none.
func Dial(ctx context.Context, address string, id *Identity) (net.Conn, error) {
	within, cancel := context.WithTimeout(ctx, handshake)
	defer cancel()
	if id == nil {
		return (&net.Dialer{}).DialContext(within, "tcp", address)
	}
	return (&tls.Dialer{Config: id.TLS()}).DialContext(within, "tcp", address)
}
