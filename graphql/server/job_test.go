package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tollbook/tollbook/events/wire"
)

// openJob waits for its turn, doneJob has a file that is nowhere; both are adam's.
const (
	openJob = "0195a5f4-7c00-7000-8000-000000000001"
	doneJob = "0195a5f4-7c00-7000-8000-000000000002"
)

func done() *wire.Job {
	return &wire.Job{
		Id: doneJob, Actor: "user:adam", Company: "acme", CreatedUs: 1, List: "cdrs", State: wire.JobState_JOB_STATE_DONE, Node: "n1", Begun: 1,
		Rows: 12, BeganUs: 2, EndedUs: 3, File: "n1/2025/03/17/" + doneJob + "-1.csv", Size: 99, Sha256: make([]byte, 32),
	}
}

const (
	jobStart  = `mutation($i: JobStartInput!) { jobStart(input: $i) { job { key actor list state format parameters { name value } url } userErrors { code message } } }`
	jobCancel = `mutation($i: JobCancelInput!) { jobCancel(input: $i) { job { cancelled state } userErrors { code } } }`
)

// TestJobs begins and cancels jobs: who may, which lists there are, and who sees them.
func TestJobs(t *testing.T) {
	f := newFixture(t, noon)
	adam, bert, root := f.as("adam"), f.as("bert"), f.as("root")
	start := func(list, name, value string) map[string]any {
		return map[string]any{"i": map[string]any{"list": list, "format": "XLSX", "parameters": []any{map[string]any{"name": name, "value": value}}}}
	}
	for _, c := range []struct{ list, name, value, want string }{
		{"nothing", "zone", "UTC", "there is no list"},
		{"audit", "zone", "UTC", "there is no list"}, // not for partners
		{"cdrs", "when", "now", "has no argument"},
		{"cdrs", "zone", "Nowhere", "no time zone"},
		{"cdrs", "columns", "fortune", "has no column"},
		{"cdrs", "called", "442071234567", "a phone number into the book"},
	} {
		if got := say(adam, jobStart, start(c.list, c.name, c.value)); !strings.Contains(got, c.want) || strings.Contains(got, "QUEUED") {
			t.Errorf("%s %s=%s: %s", c.list, c.name, c.value, got)
		}
	}
	got := say(adam, jobStart, start("cdrs", "zone", "Europe/Riga"))
	for _, want := range []string{`"state":"QUEUED"`, `"actor":"user:adam"`, `"format":"XLSX"`, `{"name":"zone","value":"Europe/Riga"}`, `"url":null`, `"userErrors":[]`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing in %s", want, got)
		}
	}
	key := f.Catalog().Job(between(got, `"key":"`, `"`)).GetId()
	all := `{ jobs(first: 10) { nodes { key } } }`
	if !strings.Contains(say(adam, all, nil), key) || !strings.Contains(say(root, all, nil), key) || strings.Contains(say(bert, all, nil), key) {
		t.Error("a job is seen by who began it and by admins")
	}
	cancel := map[string]any{"i": map[string]any{"key": key}}
	if got := say(bert, jobCancel, cancel); !strings.Contains(got, "NOT_FOUND") {
		t.Errorf("bert: %s", got)
	}
	if got := say(adam, jobCancel, cancel); !strings.Contains(got, `"cancelled":true`) {
		t.Errorf("adam: %s", got)
	}
	for n := 1; n < 5; n++ {
		say(adam, jobStart, start("cdrs", "zone", "UTC"))
	}
	if got := say(adam, jobStart, start("cdrs", "zone", "UTC")); !strings.Contains(got, "RATE_LIMITED") && !strings.Contains(got, "have not ended") {
		t.Errorf("a sixth job: %s", got)
	}
	f.put(noon(), "a job is done", done())
	if got := say(adam, `{ jobs(first: 10) { nodes { key state rows size url } } }`, nil); !strings.Contains(got, `"url":"/export/job/`+doneJob+`"`) {
		t.Errorf("no way to the file: %s", got)
	}
	if got := say(adam, jobCancel, map[string]any{"i": map[string]any{"key": doneJob}}); !strings.Contains(got, "CONFLICT") {
		t.Errorf("a job that has ended is cancelled: %s", got)
	}
	if w := bert.get("/export/job/"+doneJob, ""); w.Code != http.StatusNotFound {
		t.Errorf("bert gets %d", w.Code)
	}
}

func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

// say is the answer to a question as it came.
func say(c *client, query string, variables map[string]any) string {
	return c.send(c.request(query, variables)).Body.String()
}
