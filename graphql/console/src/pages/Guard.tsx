import { Alert, Button, Group, Modal, Text, TextInput } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { useMutation, useQuery } from 'urql';
import { usePolled } from '../api/client';
import { graphql, type ResultOf } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { type Column, DataTable } from '../parts/DataTable';
import { Amount } from '../parts/Amount';
import { fullTime, keyOf } from '../parts/format';
import { GuardRuleForm, ruleLines, RulesQuery, type Rule } from '../parts/GuardRuleForm';
import { Page, Section, Tag } from '../parts/Page';
import { useRights } from '../session';
import { instant } from './cdrSearch';

const TripsQuery = graphql(`
  query GuardTrips {
    guardTrips(first: 500) {
      nodes {
        id
        ruleId
        account {
          key
        }
        subject
        measure
        blocks
        lifted
        count
        spent {
          amount
          currency
        }
        callId
        at
        until
      }
      asOf {
        position
        lagMs
      }
    }
  }
`);

const LiftMutation = graphql(`
  mutation LiftGuard($input: GuardLiftInput!) {
    guardLift(input: $input) {
      trip {
        id
      }
      userErrors {
        message
      }
    }
  }
`);

type Trip = ResultOf<typeof TripsQuery>['guardTrips']['nodes'][number];

/** Protection against fraud: what has been found, and the rules that find it. */
export function Guard() {
  const { t } = useTexts();
  const { staff } = useRights();
  const { data, error } = usePolled(TripsQuery, {}, 5000);
  return (
    <Page title={t('nav.guard')} error={error} asOf={data?.guardTrips.asOf} loading={!data && !error}>
      <Section title={t('guard.trips')}>
        <Trips trips={data?.guardTrips.nodes} />
      </Section>
      {staff && <Rules />}
    </Page>
  );
}

function Trips({ trips }: { trips: readonly Trip[] | undefined }) {
  const { t } = useTexts();
  const { traffic } = useRights();
  const navigate = useNavigate();
  const [lifting, setLifting] = useState<Trip | null>(null);
  const columns: Column<Trip>[] = [
    { id: 'state', title: '', cell: (g) => <Tag tone={g.blocks ? 'bad' : g.lifted ? 'good' : 'wait'}>{t(g.blocks ? 'guard.blocked' : g.lifted ? 'guard.lifted' : 'guard.told')}</Tag> },
    { id: 'rule', title: t('guard.rule'), cell: (g) => keyOf(g.ruleId) },
    { id: 'account', title: t('account.account'), cell: (g) => g.account.key },
    { id: 'subject', title: t('guard.subject'), cell: (g) => g.subject },
    { id: 'measure', title: t('guard.measure'), cell: (g) => t(`guard.${g.measure}`) },
    { id: 'count', title: t('guard.counted'), right: true, cell: (g) => (g.spent ? <Amount money={g.spent} /> : g.count || '') },
    { id: 'at', title: t('audit.at'), cell: (g) => fullTime(g.at) },
    { id: 'until', title: t('guard.until'), cell: (g) => fullTime(g.until) },
  ];
  if (traffic) {
    columns.push({
      id: 'lift',
      title: '',
      right: true,
      cell: (g) =>
        !g.lifted && (
          <Button
            size="compact-xs"
            variant="subtle"
            onClick={(e) => {
              e.stopPropagation();
              setLifting(g);
            }}
          >
            {t('guard.lift')}
          </Button>
        ),
    });
  }
  return (
    <>
      <DataTable label={t('guard.trips')} rows={trips ?? []} rowKey={(g) => g.id} loading={!trips} open={(g) => void navigate({ to: '/calls/$id', params: { id: keyOf(g.callId) } })} columns={columns} />
      {lifting && <Lift trip={lifting} close={() => setLifting(null)} />}
    </>
  );
}

function Lift({ trip, close }: { trip: Trip; close: () => void }) {
  const { t } = useTexts();
  const [result, lift] = useMutation(LiftMutation);
  const [until, setUntil] = useState('');
  const [note, setNote] = useState('');
  const mistake = result.data?.guardLift.userErrors[0]?.message ?? result.error?.message;
  const run = async () => {
    const at = instant(until);
    const answer = await lift({ input: { trip: trip.id, note, ...(at ? { until: at } : {}) } });
    if (answer.data && answer.data.guardLift.userErrors.length === 0) close();
  };
  return (
    <Modal opened onClose={close} title={t('guard.lift')} size="sm" centered>
      <Text fz="sm">{t('guard.liftSure', { rule: keyOf(trip.ruleId), account: trip.account.key, subject: trip.subject })}</Text>
      <TextInput mt={8} size="sm" label={t('guard.until')} description={t('guard.untilHint')} value={until} onChange={(e) => setUntil(e.currentTarget.value)} />
      <TextInput mt={8} size="sm" label={t('audit.note')} value={note} onChange={(e) => setNote(e.currentTarget.value)} />
      {mistake && (
        <Text fz="sm" c="red" mt={8} role="alert">
          {mistake}
        </Text>
      )}
      <Group justify="flex-end" mt={16} gap={8}>
        <Button size="xs" variant="default" onClick={close}>
          {t('common.cancel')}
        </Button>
        <Button size="xs" loading={result.fetching} onClick={() => void run()}>
          {t('guard.lift')}
        </Button>
      </Group>
    </Modal>
  );
}

function Rules() {
  const { t } = useTexts();
  const { traffic } = useRights();
  const [{ data }, again] = useQuery({ query: RulesQuery });
  const [editing, setEditing] = useState<Rule | 'new' | null>(null);
  return (
    <Section
      title={t('guard.rules')}
      actions={
        traffic && (
          <Button size="compact-xs" variant="default" onClick={() => setEditing('new')}>
            {t('edit.new')}
          </Button>
        )
      }
    >
      {data && data.guardFull.length > 0 && (
        <Alert color="red" variant="light" py={8} mb={8} role="alert">
          {t('guard.full', { parts: data.guardFull.join(', ') })}
        </Alert>
      )}
      <DataTable
        label={t('guard.rules')}
        rows={data?.guardRules.nodes ?? []}
        rowKey={(g) => g.id}
        faded={(g) => g.disabled}
        loading={!data}
        {...(traffic ? { open: setEditing } : {})}
        columns={[
          { id: 'key', title: t('company.key'), cell: (g) => g.key },
          { id: 'name', title: t('company.name'), cell: (g) => g.name },
          { id: 'judges', title: t('guard.judges'), cell: (g) => ruleLines(g) },
          { id: 'measure', title: t('guard.measure'), cell: (g) => t(`guard.${g.measure}`) },
          { id: 'limit', title: t('guard.limit'), right: true, cell: (g) => (g.measure === 'SPEND_ON_DESTINATION' && g.currency ? <Amount money={{ amount: g.amount, currency: g.currency }} /> : g.calls || '') },
          { id: 'window', title: t('guard.window'), right: true, cell: (g) => `${g.window} s` },
          { id: 'action', title: t('guard.action'), cell: (g) => <Tag tone={g.action === 'BLOCK' ? 'bad' : 'wait'}>{t(`guard.${g.action}`)}</Tag> },
        ]}
      />
      {editing && <GuardRuleForm of={editing === 'new' ? null : editing} close={() => setEditing(null)} changed={() => again({ requestPolicy: 'network-only' })} />}
    </Section>
  );
}
