package mail

import (
	"fmt"
	"strings"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/wire"
)

// maxTold bounds the events that a message tells of one by one.
const maxTold = 30

// texts are the words of a language.
type texts struct{ subject, more, low, high, cleared, rescued, other, trial, trialText string }

var languages = map[string]texts{
	"en": {
		subject: "Tollbook: %s", more: "and %d more", low: "account %s: the balance %s %s has come below %s", high: "account %s: the balance %s %s has risen above %s",
		cleared: "account %s: the balance is %s %s, within its thresholds again", rescued: "the book went on from the store of node %s alone",
		other: "%s: %s", trial: "Tollbook: a trial", trialText: "Somebody tries whether e-mail arrives. Nothing has happened.\n",
	},
	"ru": {
		subject: "Tollbook: %s", more: "и ещё %d", low: "счёт %s: баланс %s %s опустился ниже %s", high: "счёт %s: баланс %s %s поднялся выше %s",
		cleared: "счёт %s: баланс %s %s снова в пределах порогов", rescued: "книга продолжена с хранилища одного узла %s",
		other: "%s: %s", trial: "Tollbook: проверка", trialText: "Кто-то проверяет, доходит ли почта. Ничего не случилось.\n",
	},
}

func wordsOf(language string) texts {
	if t, ok := languages[language]; ok {
		return t
	}
	return languages["en"]
}

// Told makes the subject and the text of a message about events, in a language, en where
// it is not known. About names what those are about that have no words of their own.
func Told(language string, list []events.Recorded, about func(*wire.Event) string) (subject, text string) {
	t := wordsOf(language)
	var b strings.Builder
	first := ""
	for i, rec := range list {
		line := t.tell(rec.Event, about)
		if i == 0 {
			first = line
		}
		if i == maxTold {
			fmt.Fprintf(&b, t.more+"\n", len(list)-maxTold)
			break
		}
		fmt.Fprintf(&b, "%s  %s\n", events.Instant(rec.TimeUS).Format("2006-01-02 15:04:05 UTC"), line)
	}
	if len(list) > 1 {
		first += ", " + fmt.Sprintf(t.more, len(list)-1)
	}
	return fmt.Sprintf(t.subject, first), b.String()
}

// Trial is a message of which nothing is the matter.
func Trial(language string) (subject, text string) {
	t := wordsOf(language)
	return t.trial, t.trialText
}

func (t texts) tell(e *wire.Event, about func(*wire.Event) string) string {
	switch b := e.GetBody().(type) {
	case *wire.Event_AlertRaised:
		a, words := b.AlertRaised, t.low
		if a.Kind == wire.AlertKind_ALERT_KIND_HIGH_BALANCE {
			words = t.high
		}
		return fmt.Sprintf(words, a.Account, money.Amount(a.BalanceMicro), a.Currency, money.Amount(a.ThresholdMicro))
	case *wire.Event_AlertCleared:
		a := b.AlertCleared
		return fmt.Sprintf(t.cleared, a.Account, money.Amount(a.BalanceMicro), a.Currency)
	case *wire.Event_StoreRescued:
		return fmt.Sprintf(t.rescued, b.StoreRescued.Node)
	}
	m := e.ProtoReflect()
	kind := m.WhichOneof(m.Descriptor().Oneofs().ByName("body"))
	if kind == nil {
		return ""
	}
	return fmt.Sprintf(t.other, strings.ReplaceAll(string(kind.Name()), "_", " "), about(e))
}
