package catalog

import (
	"unicode/utf8"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

const (
	// maxJobs bounds the jobs that are remembered, MaxOpenJobs those of one actor that have
	// not ended.
	maxJobs     = 1000
	MaxOpenJobs = 5

	maxJobParameters = 30
	maxJobText       = 500
)

// Job finds a job by its id.
func (s *State) Job(id string) *wire.Job { return s.items[KindJob][id].Entity.GetJob() }

// JobEnded tells whether nothing is left to do.
func JobEnded(j *wire.Job) bool {
	switch j.GetState() {
	case wire.JobState_JOB_STATE_DONE, wire.JobState_JOB_STATE_FAILED, wire.JobState_JOB_STATE_CANCELLED:
		return true
	}
	return false
}

func validateJob(j *wire.Job) error {
	if _, err := events.ParseCallID(j.Id); err != nil {
		return events.Invalid("a job's id is a UUID of version 7").At("id")
	}
	switch {
	case j.Actor == "" || j.CreatedUs <= 0 || j.List == "":
		return events.Invalid("actor, time and list are needed")
	case j.State < wire.JobState_JOB_STATE_QUEUED || j.State > wire.JobState_JOB_STATE_CANCELLED:
		return events.Invalid("there is no state %d", j.State).At("state")
	case len(j.Parameters) > maxJobParameters:
		return events.Invalid("a list has at most %d parameters", maxJobParameters).At("parameters")
	case j.State == wire.JobState_JOB_STATE_DONE && (j.File == "" || len(j.Sha256) != 32):
		return events.Invalid("a job that is done has a file with its hash").At("file")
	}
	for name, value := range j.Parameters {
		if len(name) > maxJobText || len(value) > maxJobText || !utf8.ValidString(name+value) {
			return events.Invalid("names and values have at most %d bytes of UTF-8", maxJobText).At("parameters")
		}
	}
	if len(j.List) > maxJobText || len(j.Error) > maxJobText || !utf8.ValidString(j.Error) {
		return events.Invalid("a list's name and an error have at most %d bytes of UTF-8", maxJobText)
	}
	return nil
}

// checkJobs bounds the jobs.
func (s *State) checkJobs() *events.Error {
	if n := s.Len(KindJob); n > maxJobs {
		return events.Refuse(events.CodeLimit, "there are %d jobs, %d at most", n, maxJobs)
	}
	open := map[string]int{}
	for _, item := range s.items[KindJob] {
		j := item.Entity.GetJob()
		if JobEnded(j) {
			continue
		}
		if open[j.Actor]++; open[j.Actor] > MaxOpenJobs {
			return events.Refuse(events.CodeLimit, "%d jobs of yours have not ended: wait for one, or cancel it", MaxOpenJobs)
		}
	}
	return nil
}
