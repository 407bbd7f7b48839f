package server_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// example is a block of docs/api.md.
type example struct{ language, as, text string }

var blocks = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")

func examples(t *testing.T) []example {
	t.Helper()
	page, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	var out []example
	for _, m := range blocks.FindAllStringSubmatch(string(page), -1) {
		e := example{language: m[1], as: "partner", text: m[2]}
		if who, ok := strings.CutPrefix(e.text, "# as "); ok {
			e.as, _, _ = strings.Cut(who, "\n")
		}
		out = append(out, e)
	}
	return out
}

// examined is a server with the tokens of the examples, as an environment.
func examined(t *testing.T) (address string, tokens map[string]string, environment []string) {
	t.Helper()
	f := newFixture(t, time.Now) // tokens of the examples expire
	root := f.as("root")
	tokens = map[string]string{
		"partner": f.token(root, "partner", nil).token,
		"finance": f.token(root, "finance", map[string]any{"role": "FINANCE", "company": nil}).token,
		"admin":   f.token(root, "admin", map[string]any{"role": "ADMIN", "company": nil}).token,
	}
	s := httptest.NewServer(f.handler)
	t.Cleanup(s.Close)
	environment = append(os.Environ(), "TOLLBOOK="+s.URL, "TOKEN="+tokens["partner"])
	for who, token := range tokens {
		environment = append(environment, "TOKEN_"+strings.ToUpper(who)+"="+token)
	}
	return s.URL, tokens, environment
}

// TestExamples runs every example of docs/api.md against a server.
func TestExamples(t *testing.T) {
	address, tokens, environment := examined(t)
	ran := map[string]int{}
	for _, e := range examples(t) {
		ran[e.language]++
		switch e.language {
		case "graphql":
			if err := post(address, tokens[e.as], e.text); err != nil {
				t.Errorf("as %s: %v\n%s", e.as, err, e.text)
			}
		case "sh":
			if _, err := exec.LookPath("curl"); err != nil {
				t.Logf("SKIPPED: without curl this is not tried: %s", e.text)
				continue
			}
			cmd := exec.CommandContext(t.Context(), "bash", "-euc", e.text)
			cmd.Env = environment
			if out, err := cmd.CombinedOutput(); err != nil || bytes.Contains(out, []byte(`"errors"`)) {
				t.Errorf("%s\n%v %s", e.text, err, out)
			}
		case "js": // TestExternalClient runs it
		default:
			t.Errorf("nobody runs what is written in %q", e.language)
		}
	}
	if ran["graphql"] < 6 || ran["sh"] < 2 {
		t.Errorf("too few examples: %v", ran)
	}
}

// post asks as a program does, and wants no errors.
func post(address, token, query string) error {
	body, err := json.Marshal(map[string]any{"query": query})
	if err != nil {
		return err
	}
	r, err := http.NewRequest(http.MethodPost, address+"/graphql", bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	var a answer
	err = errors.Join(json.NewDecoder(res.Body).Decode(&a), res.Body.Close())
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK || len(a.Errors) > 0 {
		return fmt.Errorf("status %d, %v", res.StatusCode, a.Errors)
	}
	for name := range a.Data {
		if a.Data.len(name+".userErrors") > 0 {
			return fmt.Errorf("%v", a.Data.at(name+".userErrors"))
		}
	}
	return nil
}

// TestExternalClient has a client from npm, which knows the published schema alone,
// run the same examples.
func TestExternalClient(t *testing.T) {
	_, _, environment := examined(t)
	cmd := exec.CommandContext(t.Context(), "../../deploy/api/run.sh", "examples")
	cmd.Env = environment
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 77 {
		t.Skipf("%s", out)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
