package main_test

import "testing"

// liveCalls are the calls that a node knows to be going on.
func (a *api) liveCalls(t *testing.T) (ids []string) {
	t.Helper()
	var answer struct {
		LiveCalls struct{ Nodes []struct{ ID string } }
	}
	a.ask(t, &answer, `{ liveCalls(first: 100) { nodes { id } } }`, nil)
	for _, c := range answer.LiveCalls.Nodes {
		ids = append(ids, c.ID)
	}
	return ids
}

// talking counts the answered ones.
func (a *api) talking(t *testing.T) (calls int) {
	t.Helper()
	var answer struct {
		LiveCalls struct {
			Nodes []struct{ AnsweredAt *string }
		}
	}
	a.ask(t, &answer, `{ liveCalls(first: 100) { nodes { answeredAt } } }`, nil)
	for _, c := range answer.LiveCalls.Nodes {
		if c.AnsweredAt != nil {
			calls++
		}
	}
	return calls
}

func (a *api) hangUp(t *testing.T, call string) {
	t.Helper()
	var answer struct {
		CallHangUp struct {
			UserErrors []struct{ Code, Message string }
		}
	}
	a.ask(t, &answer, `mutation ($c: ID!) { callHangUp(input: {call: $c}) { userErrors { code message } } }`, map[string]any{"c": call})
	if len(answer.CallHangUp.UserErrors) > 0 {
		t.Fatalf("%s is not hung up: %+v", call, answer.CallHangUp.UserErrors)
	}
}
