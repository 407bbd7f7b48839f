package world

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/wire"
)

// numberList is a set of numbers that peers block or allow.
type numberList struct {
	ID       string   `yaml:"id"`
	Name     string   `yaml:"name"`
	Prefixes []string `yaml:"prefixes"`
	Numbers  []string `yaml:"numbers"`
}

// sieve is what originators and terminators do to numbers.
type sieve struct {
	Rewrites []rewrite `yaml:"rewrites"`
	Lists    []listUse `yaml:"lists"`
}

type rewrite struct {
	Field   string `yaml:"field"`
	Match   string `yaml:"match"`
	Replace string `yaml:"replace"`
	Last    bool   `yaml:"last"`
}

// listUse names a list to block, or one to allow.
type listUse struct {
	Block string `yaml:"block"`
	Allow string `yaml:"allow"`
	Field string `yaml:"field"`
}

type prefixLimit struct {
	Prefix         string `yaml:"prefix"`
	Channels       uint32 `yaml:"channels"`
	CallsPerSecond uint32 `yaml:"calls_per_second"`
}

// orderBy is one criterion. Step is a price for price, per cent for asr and ner,
// a duration for acd and pdd.
type orderBy struct {
	By       string `yaml:"by"`
	Step     string `yaml:"step"`
	Figure   string `yaml:"figure"`
	Window   string `yaml:"window"`
	Attempts uint32 `yaml:"minimum_attempts"`
}

// huntRule says what a vendor's answer leads to.
type huntRule struct {
	Code uint32 `yaml:"code"`
	Q850 uint32 `yaml:"q850"`
	Then string `yaml:"then"`
}

var fields = map[string]wire.NumberField{
	"called": wire.NumberField_NUMBER_FIELD_CALLED, "caller": wire.NumberField_NUMBER_FIELD_CALLER,
	"caller_name": wire.NumberField_NUMBER_FIELD_CALLER_NAME,
}

func (e *edit) numberList(l numberList) error {
	e.put(&wire.NumberList{Id: l.ID, Name: l.Name, Prefixes: l.Prefixes, Numbers: l.Numbers})
	return nil
}

func (s sieve) convert() (rules []*wire.RewriteRule, uses []*wire.ListUse, err error) {
	for i, r := range s.Rewrites {
		f, err := choice("field", r.Field, fields)
		if err != nil {
			return nil, nil, fmt.Errorf("rewrites[%d]: %w", i, err)
		}
		rules = append(rules, &wire.RewriteRule{Field: f, Pattern: r.Match, Replacement: r.Replace, Last: r.Last})
	}
	for i, l := range s.Lists {
		f := wire.NumberField_NUMBER_FIELD_CALLED
		if l.Field != "" {
			if f, err = choice("field", l.Field, fields); err != nil {
				return nil, nil, fmt.Errorf("lists[%d]: %w", i, err)
			}
		}
		if (l.Block == "") == (l.Allow == "") {
			return nil, nil, events.Invalid("lists[%d] names one list, under block or under allow", i)
		}
		uses = append(uses, &wire.ListUse{List: l.Block + l.Allow, Field: f, Allow: l.Allow != ""})
	}
	return rules, uses, nil
}

func limits(list []prefixLimit) []*wire.PrefixLimit {
	var out []*wire.PrefixLimit
	for _, l := range list {
		out = append(out, &wire.PrefixLimit{Prefix: l.Prefix, Channels: l.Channels, CallsPerSecond: l.CallsPerSecond})
	}
	return out
}

func (e *edit) routePlan(p routePlan) error {
	plan := &wire.RoutePlan{Id: p.ID, Name: p.Name}
	for i, o := range p.Order {
		by, err := o.convert()
		if err != nil {
			return fmt.Errorf("order[%d]: %w", i, err)
		}
		plan.Order = append(plan.Order, by)
	}
	for i, h := range p.Hunt {
		stop, err := choice("then", h.Then, map[string]bool{"stop": true, "go-on": false})
		if err != nil {
			return fmt.Errorf("hunt[%d]: %w", i, err)
		}
		plan.HuntRules = append(plan.HuntRules, &wire.HuntRule{SipCode: h.Code, Q850: h.Q850, Stop: stop})
	}
	e.put(plan)
	for i, r := range p.Routes {
		if err := e.route(p.ID, r); err != nil {
			return fmt.Errorf("routes[%d] to %q: %w", i, r.Terminator, err)
		}
	}
	return nil
}

func (e *edit) route(plan string, r route) error {
	hours, err := hoursOf(r.Hours, r.TimeZone)
	if err != nil {
		return err
	}
	pdd, err := millis("pdd_timeout", r.PDDTimeout)
	if err != nil {
		return err
	}
	ring, err := millis("ring_timeout", r.RingTimeout)
	if err != nil {
		return err
	}
	e.put(&wire.Route{
		Id: catalog.RouteID(plan, r.Prefix, r.Terminator), Plan: plan, Prefix: r.Prefix, Terminator: r.Terminator,
		Priority: r.Priority, Weight: r.Weight, Disabled: r.Disabled,
		CallerPrefixes: r.CallerPrefixes, Hours: hours, TimeZone: r.TimeZone, PddTimeoutMs: pdd, RingTimeoutMs: ring,
	})
	return nil
}

func (o orderBy) convert() (*wire.OrderBy, error) {
	by, err := choice("by", o.By, map[string]wire.Criterion{
		"priority": wire.Criterion_CRITERION_PRIORITY, "price": wire.Criterion_CRITERION_PRICE,
		"weight": wire.Criterion_CRITERION_WEIGHT, "quality": wire.Criterion_CRITERION_QUALITY,
	})
	if err != nil {
		return nil, err
	}
	out := &wire.OrderBy{Criterion: by, MinimumAttempts: o.Attempts}
	if by == wire.Criterion_CRITERION_QUALITY {
		return out, o.quality(out)
	}
	if o.Figure != "" || o.Window != "" || o.Attempts != 0 {
		return nil, events.Invalid("figure, window and minimum_attempts belong to quality")
	}
	if by == wire.Criterion_CRITERION_PRICE && o.Step != "" {
		step, err := money.ParseRate(o.Step)
		if err != nil || step < 0 {
			return nil, events.Invalid("step %q is not a price such as 0.001", o.Step)
		}
		out.Step = uint64(step)
	}
	return out, nil
}

func (o orderBy) quality(out *wire.OrderBy) error {
	figure, err := choice("figure", o.Figure, map[string]wire.QualityFigure{
		"asr": wire.QualityFigure_QUALITY_FIGURE_ASR, "ner": wire.QualityFigure_QUALITY_FIGURE_NER,
		"acd": wire.QualityFigure_QUALITY_FIGURE_ACD, "pdd": wire.QualityFigure_QUALITY_FIGURE_PDD,
	})
	if err != nil {
		return err
	}
	out.Figure = figure
	if out.WindowS, err = choice("window", o.Window, map[string]uint32{"": 900, "15m": 900, "1h": 3600, "24h": 86400}); err != nil {
		return err
	}
	if o.Step == "" {
		return nil
	}
	var step uint32
	if figure == wire.QualityFigure_QUALITY_FIGURE_ASR || figure == wire.QualityFigure_QUALITY_FIGURE_NER {
		step, err = percent("step", o.Step)
	} else {
		step, err = millis("step", o.Step)
	}
	out.Step = uint64(step)
	return err
}

// percent reads a number from 0 to 100 with at most four decimals, in millionths.
func percent(key, value string) (uint32, error) {
	if value == "" {
		return 0, nil
	}
	p, err := money.ParseAmount(value) // a percentage with its micro-units is ppm times 100
	if err != nil || p < 0 || p%100 != 0 || p > 100*money.MicroPerUnit {
		return 0, events.Invalid("%s %q is not a number from 0 to 100 with at most four decimals", key, value)
	}
	return uint32(p / 100), nil
}

var weekdays = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// ParseHours reads "mon-fri 08:00-18:00", "sat 22:00-04:00" or "sun": a span of
// each of the days, which may end on the next one.
func ParseHours(s string) ([]*wire.Hours, error) {
	wrong := events.Invalid("%.60q is not a span such as mon-fri 08:00-18:00", s)
	days, clock, timed := strings.Cut(s, " ")
	firstName, lastName, several := strings.Cut(days, "-")
	if !several {
		lastName = firstName
	}
	first, last := weekday(firstName), weekday(lastName)
	if first < 0 || last < 0 {
		return nil, wrong
	}
	from, to := 0, 24*60
	if timed {
		a, b, ok := strings.Cut(clock, "-")
		if from, to = minutes(a), minutes(b); !ok || from < 0 || to < 0 || from == 24*60 || from == to {
			return nil, wrong
		}
	}
	if to < from {
		to += 24 * 60
	}
	const week = 7 * 24 * 60
	var out []*wire.Hours
	for day := first; ; day = (day + 1) % 7 {
		end := day*24*60 + to
		if end > week {
			end -= week
		}
		out = append(out, &wire.Hours{FromMinute: uint32(day*24*60 + from), ToMinute: uint32(end)})
		if day == last {
			return out, nil
		}
	}
}

func weekday(s string) int {
	for i, d := range weekdays {
		if d == s {
			return i
		}
	}
	return -1
}

// minutes reads "08:30"; -1 is no time of a day.
func minutes(s string) int {
	h, m, ok := strings.Cut(s, ":")
	hour, err1 := strconv.ParseUint(h, 10, 8)
	minute, err2 := strconv.ParseUint(m, 10, 8)
	total := int(hour*60 + minute)
	if !ok || len(h) != 2 || len(m) != 2 || err1 != nil || err2 != nil || minute > 59 || total > 24*60 {
		return -1
	}
	return total
}
