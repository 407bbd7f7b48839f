// Package webhook sends events to servers that people have named, signed, by HTTPS.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/tollbook/tollbook/projections/outside"
)

const (
	// within bounds a delivery.
	within = 30 * time.Second
	// maxHeard bounds what is read of an answer, in bytes.
	maxHeard = 200
	// MaxEvents and MaxBytes bound a delivery: one event may be longer.
	MaxEvents = 100
	MaxBytes  = 256 << 10
)

// ErrGone says that the server wants nothing any more (410).
var ErrGone = errors.New("the server says that it is gone")

// Target is a server.
type Target struct {
	// Key is the webhook's, URL an https address, CA vouches for the server, empty is the
	// system's.
	Key, URL, CA string
	// Secret signs what is sent.
	Secret []byte
	// Allow are networks that may be reached although they are not of the public Internet.
	Allow []netip.Prefix
}

// Delivery is what one request carries.
type Delivery struct {
	// Webhook is the webhook's key, Delivery names the events, the same each time that the
	// same events are sent.
	Webhook  string `json:"webhook"`
	Delivery string `json:"delivery"`
	// Events are as the API's list of events shows them.
	Events []json.RawMessage `json:"events"`
}

// Batch is as many of the events as a delivery takes, at least one.
func Batch(list []json.RawMessage) int {
	size := 0
	for i, e := range list {
		if size += len(e) + 1; i > 0 && (size > MaxBytes || i == MaxEvents) {
			return i
		}
	}
	return len(list)
}

// Sign is the value of the header Tollbook-Signature: the time of sending in seconds and
// the HMAC-SHA-256 of that, a dot and the body, in hexadecimal digits.
func Sign(secret, body []byte, at time.Time) string {
	seconds := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(seconds + "."))
	mac.Write(body)
	return "t=" + seconds + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

// Send delivers once. Any answer of 2xx is a yes, 410 is ErrGone.
func (t Target) Send(ctx context.Context, d Delivery, now time.Time) error {
	body, err := json.Marshal(d)
	if err != nil {
		return err
	}
	client, err := outside.Reach{Allow: t.Allow, Setting: "webhooks.allow"}.Client(t.CA)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Tollbook")
	req.Header.Set("Tollbook-Webhook", t.Key)
	req.Header.Set("Tollbook-Delivery", d.Delivery)
	req.Header.Set("Tollbook-Signature", Sign(t.Secret, body, now))
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	told, _ := io.ReadAll(io.LimitReader(resp.Body, maxHeard))
	switch {
	case resp.StatusCode/100 == 2:
		return nil
	case resp.StatusCode == http.StatusGone:
		return ErrGone
	}
	return fmt.Errorf("the server answers %s: %q", resp.Status, told)
}
