package world

import "github.com/tollbook/tollbook/events/wire"

// evidenceRule says which calls are recorded and captured.
type evidenceRule struct {
	ID          string   `yaml:"id"`
	Name        string   `yaml:"name"`
	Disabled    bool     `yaml:"disabled"`
	Priority    uint32   `yaml:"priority"`
	Originators []string `yaml:"originators"`
	Terminators []string `yaml:"terminators"`
	Subscribers []string `yaml:"subscribers"`
	// Callers and Called are prefixes, NumberList is for either number.
	Callers    []string `yaml:"callers"`
	Called     []string `yaml:"called"`
	NumberList string   `yaml:"number_list"`
	PerMille   uint32   `yaml:"per_mille"`
	// Recording is on or off, Capture off, sip or full.
	Recording string `yaml:"recording"`
	Capture   string `yaml:"capture"`
}

func (e *edit) evidenceRule(r evidenceRule) error {
	out := &wire.EvidenceRule{
		Id: r.ID, Name: r.Name, Disabled: r.Disabled, Priority: r.Priority, Originators: r.Originators,
		Terminators: r.Terminators, Subscribers: r.Subscribers, Callers: r.Callers, Called: r.Called,
		NumberList: r.NumberList, PerMille: r.PerMille,
	}
	var err error
	if out.Recording, err = choice("recording", r.Recording, map[string]wire.RecordingPolicy{
		"":   wire.RecordingPolicy_RECORDING_POLICY_UNSPECIFIED,
		"on": wire.RecordingPolicy_RECORDING_POLICY_ON, "off": wire.RecordingPolicy_RECORDING_POLICY_OFF,
	}); err != nil {
		return err
	}
	if out.Capture, err = choice("capture", r.Capture, map[string]wire.CapturePolicy{
		"":    wire.CapturePolicy_CAPTURE_POLICY_UNSPECIFIED,
		"off": wire.CapturePolicy_CAPTURE_POLICY_OFF, "sip": wire.CapturePolicy_CAPTURE_POLICY_SIP,
		"full": wire.CapturePolicy_CAPTURE_POLICY_FULL,
	}); err != nil {
		return err
	}
	e.put(out)
	return nil
}
