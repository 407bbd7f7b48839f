package catalog_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
)

const aJob = "0195a5f4-7c00-7000-8000-000000000001"

func TestJobs(t *testing.T) {
	job := func(n int, spoil func(*wire.Job)) *wire.Job {
		j := &wire.Job{
			Id: fmt.Sprintf("%s%03d", aJob[:len(aJob)-3], n), Actor: "user:anna", CreatedUs: 1, List: "accounts", State: wire.JobState_JOB_STATE_QUEUED,
		}
		if spoil != nil {
			spoil(j)
		}
		return j
	}
	s := world(t, small()[:1]...)
	for _, c := range []struct {
		name  string
		spoil func(*wire.Job)
		want  string
	}{
		{"no UUID", func(j *wire.Job) { j.Id = "seven" }, "UUID of version 7"},
		{"nobody's", func(j *wire.Job) { j.Actor = "" }, "actor, time and list"},
		{"no state", func(j *wire.Job) { j.State = 0 }, "there is no state 0"},
		{"done without a file", func(j *wire.Job) { j.State = wire.JobState_JOB_STATE_DONE }, "a file with its hash"},
		{"a long parameter", func(j *wire.Job) { j.Parameters = map[string]string{"a": strings.Repeat("x", 501)} }, "at most 500 bytes"},
		{"a long error", func(j *wire.Job) { j.Error = strings.Repeat("x", 501) }, "at most 500 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := s.Decide(now, changes([]any{job(1, c.spoil)}))
			if events.CodeOf(err) != events.CodeInvalid || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	for n := range catalog.MaxOpenJobs {
		s = apply(t, s, events.Position(n+2), put(job(n, nil)))
	}
	if _, err := s.Decide(now, changes([]any{job(100, nil)})); events.CodeOf(err) != events.CodeLimit {
		t.Errorf("one more than may be open: %v", err)
	}
	other := job(101, func(j *wire.Job) { j.Actor = "user:bert" })
	s = apply(t, s, 20, put(other))
	s = apply(t, s, 21, put(job(0, func(j *wire.Job) { j.State = wire.JobState_JOB_STATE_CANCELLED })))
	apply(t, s, 22, put(job(100, nil)))
}
