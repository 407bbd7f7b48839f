package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"sync"
	"time"
)

// How long a session lasts, and how many there may be.
const (
	sessionIdle    = 12 * time.Hour
	sessionLife    = 72 * time.Hour
	maxSessions    = 10_000
	maxPerUser     = 20
	secretBytes    = 32
	tokenPrefix    = "tb_"
	sessionCleanup = time.Minute
)

// session is one signed-in browser. The secret itself is not kept.
type session struct {
	user string
	// password is the hash that the user had at sign-in: a new one ends the session.
	password string
	created  time.Time
	used     time.Time
}

// sessions is the memory of who is signed in on this node.
type sessions struct {
	mu      sync.Mutex
	byHash  map[[sha256.Size]byte]*session
	cleaned time.Time
}

func newSessions() *sessions { return &sessions{byHash: map[[sha256.Size]byte]*session{}} }

// open starts a session and gives its secret.
func (s *sessions) open(now time.Time, user, password string) (string, error) {
	secret, err := newSecret("")
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropExpired(now)
	s.dropOldest(func(x *session) bool { return x.user == user }, maxPerUser)
	s.dropOldest(func(*session) bool { return true }, maxSessions)
	s.byHash[sha256.Sum256([]byte(secret))] = &session{user: user, password: password, created: now, used: now}
	return secret, nil
}

// use finds a session by its secret and keeps it from idling out.
func (s *sessions) use(now time.Time, secret string) (session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := sha256.Sum256([]byte(secret))
	x := s.byHash[key]
	if x == nil {
		return session{}, false
	}
	if x.expired(now) {
		delete(s.byHash, key)
		return session{}, false
	}
	x.used = now
	return *x, true
}

func (s *sessions) close(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byHash, sha256.Sum256([]byte(secret)))
}

func (x *session) expired(now time.Time) bool {
	return now.Sub(x.used) > sessionIdle || now.Sub(x.created) > sessionLife
}

func (s *sessions) dropExpired(now time.Time) {
	if now.Sub(s.cleaned) < sessionCleanup {
		return
	}
	s.cleaned = now
	for k, x := range s.byHash {
		if x.expired(now) {
			delete(s.byHash, k)
		}
	}
}

// dropOldest makes room for one more among the sessions that match.
func (s *sessions) dropOldest(match func(*session) bool, limit int) {
	count := 0
	var oldest *[sha256.Size]byte
	var at time.Time
	for k, x := range s.byHash {
		if !match(x) {
			continue
		}
		count++
		if oldest == nil || x.used.Before(at) {
			oldest, at = &k, x.used
		}
	}
	if count >= limit {
		delete(s.byHash, *oldest)
	}
}

// newSecret makes 32 random bytes as text.
func newSecret(prefix string) (string, error) {
	b := make([]byte, secretBytes)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("secret: %w", err)
	}
	return prefix + base64.RawURLEncoding.EncodeToString(b), nil
}

// NewToken makes the secret of an API token and the hash that the catalog keeps.
func NewToken() (secret string, hash []byte, err error) {
	secret, err = newSecret(tokenPrefix)
	if err != nil {
		return "", nil, err
	}
	sum := sha256.Sum256([]byte(secret))
	return secret, sum[:], nil
}
