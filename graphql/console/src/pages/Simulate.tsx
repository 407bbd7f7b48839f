import { Button, Group, TextInput } from '@mantine/core';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { type FormEvent, useEffect, useState } from 'react';
import { useQuery } from 'urql';
import { graphql, type VariablesOf } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { Choices } from '../parts/Choices';
import { fullTime, keyOf, rate } from '../parts/format';
import { Page, Section, Tag } from '../parts/Page';
import classes from '../parts/parts.module.css';
import { instant } from './cdrSearch';

const SimulateQuery = graphql(`
  query Simulate($input: RouteSimulateInput!) {
    routeSimulate(input: $input) {
      originatorId
      refused
      caller
      called
      quality
      evidence {
        recorded
        recordingRule {
          key
        }
        capture
        captureRule {
          key
        }
      }
      decision {
        at
        planId
        catalogPosition
        refused
        currency
        marginCurrency
        sellPrice
        sellDeckId
        sellPrefix
        packageId
        emergency
        guardRuleId
        choices {
          rank
          terminatorId
          routeId
          prefix
          price
          currency
          margin
          rejected
          calledOut
          quality {
            figure
            window
            attempts
            value
          }
        }
      }
    }
  }
`);

const fields = ['originator', 'source', 'caller', 'called', 'at', 'call'] as const;
type SimulateSearch = Partial<Record<(typeof fields)[number], string>>;

/** The question as it stands in the address. */
export function readSimulateSearch(search: Record<string, unknown>): SimulateSearch {
  const read: SimulateSearch = {};
  for (const field of fields) {
    const value = search[field];
    if (value !== undefined && value !== null && value !== '') read[field] = String(value);
  }
  return read;
}

function inputOf(search: SimulateSearch): VariablesOf<typeof SimulateQuery>['input'] {
  const input: VariablesOf<typeof SimulateQuery>['input'] = {};
  if (search.originator) input.originator = `originator:${keyOf(search.originator) || search.originator}`;
  for (const field of ['source', 'caller', 'called', 'call'] as const) {
    const value = search[field];
    if (value) input[field] = value;
  }
  const at = instant(search.at);
  if (at) input.at = at;
  return input;
}

export function Simulate() {
  const { t } = useTexts();
  const navigate = useNavigate();
  const search = useSearch({ from: '/simulate' });
  const ready = Boolean(search.call || (search.called && (search.originator || search.source)));
  const [{ data, error, fetching }] = useQuery({ query: SimulateQuery, variables: { input: inputOf(search) }, pause: !ready, requestPolicy: 'network-only' });
  const answer = ready ? data?.routeSimulate : undefined;
  return (
    <Page title={t('nav.simulate')} error={ready ? error : undefined} loading={ready && fetching}>
      <Question search={search} ask={(next) => void navigate({ to: '/simulate', search: next })} />
      {answer?.refused && <Tag tone="bad">{answer.refused}</Tag>}
      {answer?.decision && (
        <Section title={t('simulate.answer', { caller: answer.caller || '?', called: answer.called, originator: keyOf(answer.originatorId) })}>
          <span className={classes.note}>
            {fullTime(answer.decision.at)} · {t('simulate.position', { position: answer.decision.catalogPosition })} · {t('simulate.quality')}: {answer.quality} ·{' '}
            {answer.decision.sellDeckId && `${t('simulate.sell')}: ${rate(answer.decision.sellPrice)} ${answer.decision.currency} (${keyOf(answer.decision.sellDeckId)}, ${answer.decision.sellPrefix})`}
          </span>
          <Group gap={6}>
            {answer.decision.emergency && <Tag tone="bad">{`${t('cdr.emergency')}: ${answer.decision.emergency}`}</Tag>}
            {answer.decision.packageId && <Tag tone="good">{`${t('account.package')}: ${keyOf(answer.decision.packageId)}`}</Tag>}
            {answer.decision.refused && <Tag tone="bad">{answer.decision.guardRuleId ? `${t('guard.rule')} ${keyOf(answer.decision.guardRuleId)}` : answer.decision.refused}</Tag>}
            {answer.evidence?.recordingRule && <Tag tone={answer.evidence.recorded ? 'good' : 'wait'}>{`${t('evidence.recording')}: ${t(answer.evidence.recorded ? 'evidence.recording.ON' : 'evidence.recording.OFF')} (${answer.evidence.recordingRule.key})`}</Tag>}
            {answer.evidence?.captureRule && <Tag tone={answer.evidence.capture === 'OFF' ? 'wait' : 'good'}>{`${t('evidence.capture')}: ${t(`evidence.capture.${answer.evidence.capture}`)} (${answer.evidence.captureRule.key})`}</Tag>}
          </Group>
          <Choices choices={answer.decision.choices} currency={answer.decision.marginCurrency} />
        </Section>
      )}
    </Page>
  );
}

function Question({ search, ask }: { search: SimulateSearch; ask: (next: SimulateSearch) => void }) {
  const { t } = useTexts();
  const [draft, setDraft] = useState(search);
  useEffect(() => setDraft(search), [search]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    ask(readSimulateSearch(draft));
  };
  return (
    <form onSubmit={submit} style={{ display: 'flex', gap: 8, flexWrap: 'wrap', alignItems: 'end' }}>
      {fields.map((field) => (
        <TextInput
          key={field}
          size="xs"
          label={t(`simulate.${field}`)}
          value={draft[field] ?? ''}
          onChange={(e) => setDraft({ ...draft, [field]: e.currentTarget.value })}
        />
      ))}
      <Button type="submit" size="xs">
        {t('simulate.ask')}
      </Button>
    </form>
  );
}
