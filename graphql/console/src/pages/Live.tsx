import { Button, Group, Modal, Text } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { useMutation } from 'urql';
import { usePolled } from '../api/client';
import { useFeed } from '../api/feed';
import { graphql, type ResultOf } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { type Column, DataTable } from '../parts/DataTable';
import { clock, dayTime, keyOf } from '../parts/format';
import { Heard, Page, Tag } from '../parts/Page';
import { Recording } from '../parts/Recording';
import { useRights } from '../session';

const LiveQuery = graphql(`
  query Live {
    liveCalls(first: 500) {
      nodes {
        id
        node
        state
        companyId
        accountId
        originatorId
        terminatorId
        caller
        called
        setupAt
        answeredAt
        talk
        recording
      }
      pageInfo {
        hasNextPage
      }
      asOf {
        position
        lagMs
      }
    }
  }
`);

const LiveFeed = graphql(`
  subscription LiveFeed {
    liveCalls(first: 500) {
      whole
      calls {
        id
        node
        state
        companyId
        accountId
        originatorId
        terminatorId
        caller
        called
        setupAt
        answeredAt
        talk
        recording
      }
      gone
      more
      asOf {
        position
        lagMs
      }
    }
  }
`);

const HangUpMutation = graphql(`
  mutation HangUp($input: CallHangUpInput!) {
    callHangUp(input: $input) {
      callId
      userErrors {
        message
      }
    }
  }
`);

type Call = ResultOf<typeof LiveQuery>['liveCalls']['nodes'][number];
type Change = ResultOf<typeof LiveFeed>['liveCalls'];

interface Calls {
  rows: Call[];
  more: boolean;
  asOf: Change['asOf'];
  /** By how much the server's clock is ahead of this one, in milliseconds. */
  ahead: number;
}

/** By how much the clock that counted a call's talk is ahead of this one. */
function aheadBy(calls: readonly Call[]): number | undefined {
  const talking = calls.find((c) => c.answeredAt);
  return talking?.answeredAt ? Date.parse(talking.answeredAt) + Number(talking.talk) * 1000 - Date.now() : undefined;
}

/** The calls after a change: the newest first. */
function changed(before: Calls | undefined, { whole, calls, gone, more, asOf }: Change): Calls {
  const rows = new Map(whole ? [] : before?.rows.map((c) => [c.id, c]));
  for (const id of gone) rows.delete(id);
  for (const call of calls) rows.set(call.id, call);
  const sorted = [...rows.values()].sort((a, b) => (a.setupAt === b.setupAt ? (a.id < b.id ? -1 : 1) : a.setupAt > b.setupAt ? -1 : 1));
  return { rows: sorted, more, asOf, ahead: aheadBy(calls) ?? before?.ahead ?? 0 };
}

/** The time, every second. */
function useSeconds(): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

/** The running calls as they change; while nothing is heard, as they are asked for. */
function useCalls() {
  const feed = useFeed(LiveFeed, { variables: () => ({}), fold: (before: Calls | undefined, data: ResultOf<typeof LiveFeed>) => changed(before, data.liveCalls) });
  const { data, error } = usePolled(LiveQuery, {}, feed.live ? 0 : 2000);
  const asked = data?.liveCalls;
  const newer = !asked || (feed.state && BigInt(feed.state.asOf.position) > BigInt(asked.asOf.position));
  if (feed.state && (feed.live || newer)) return { calls: feed.state, live: feed.live, error: feed.live ? undefined : error };
  const calls: Calls | undefined = asked && { rows: [...asked.nodes], more: asked.pageInfo.hasNextPage, asOf: asked.asOf, ahead: aheadBy(asked.nodes) ?? 0 };
  return { calls, live: false, error };
}

export function Live() {
  const { t } = useTexts();
  const { traffic, staff } = useRights();
  const navigate = useNavigate();
  const { calls, live, error } = useCalls();
  const now = useSeconds() + (calls?.ahead ?? 0);
  const [ending, setEnding] = useState<Call | null>(null);
  const columns: Column<Call>[] = [
    { id: 'state', title: t('live.state'), cell: (c) => <Tag tone={c.state === 'TALKING' ? 'good' : 'wait'}>{t(`live.${c.state}`)}</Tag> },
    { id: 'setup', title: t('live.since'), cell: (c) => dayTime(c.setupAt) },
    { id: 'talk', title: t('live.duration'), right: true, cell: (c) => (c.state === 'TALKING' && c.answeredAt ? clock(String(Math.max(0, Math.floor((now - Date.parse(c.answeredAt)) / 1000)))) : '') },
    { id: 'caller', title: t('cdr.caller'), cell: (c) => c.caller },
    { id: 'called', title: t('cdr.called'), cell: (c) => c.called },
    { id: 'account', title: t('account.account'), cell: (c) => keyOf(c.accountId) },
    { id: 'originator', title: t('cdr.originator'), cell: (c) => keyOf(c.originatorId) },
  ];
  if (staff) columns.push({ id: 'terminator', title: t('cdr.terminator'), cell: (c) => keyOf(c.terminatorId) });
  columns.push({ id: 'node', title: t('cdr.node'), cell: (c) => c.node });
  if (staff) columns.push({ id: 'recording', title: t('evidence.recording'), cell: (c) => <Recording call={c.id} state={c.recording} steers={traffic && c.state === 'TALKING'} /> });
  if (traffic) {
    columns.push({
      id: 'end',
      title: '',
      right: true,
      cell: (c) => (
        <Button
          size="compact-xs"
          variant="subtle"
          color="red"
          c="var(--bad)"
          onClick={(e) => {
            e.stopPropagation();
            setEnding(c);
          }}
        >
          {t('live.hangUp')}
        </Button>
      ),
    });
  }
  return (
    <Page title={t('nav.live')} error={error} asOf={calls?.asOf} loading={!calls && !error} actions={
        <>
          <Text fz="sm" c="dimmed">
            {calls ? t('live.count', { n: calls.rows.length + (calls.more ? '+' : '') }) : ''}
          </Text>
          <Heard live={live} />
        </>
      }
    >
      <DataTable
        label={t('nav.live')}
        rows={calls?.rows ?? []}
        columns={columns}
        rowKey={(c) => c.id}
        open={(c) => void navigate({ to: '/calls/$id', params: { id: keyOf(c.id) } })}
        loading={!calls}
        maxHeight="calc(100vh - 150px)"
      />
      <HangUp call={ending} close={() => setEnding(null)} />
    </Page>
  );
}

function HangUp({ call, close }: { call: Call | null; close: () => void }) {
  const { t } = useTexts();
  const [result, hangUp] = useMutation(HangUpMutation);
  if (!call) return null;
  const mistake = result.data?.callHangUp.userErrors[0]?.message ?? result.error?.message;
  const end = async () => {
    const answer = await hangUp({ input: { call: call.id, reason: '' } });
    if (answer.data?.callHangUp.callId) close();
  };
  return (
    <Modal opened onClose={close} title={t('live.hangUp')} size="sm" centered>
      <Text fz="sm">{t('live.hangUpSure', { caller: call.caller, called: call.called })}</Text>
      {mistake && (
        <Text fz="sm" c="red" mt={8}>
          {mistake}
        </Text>
      )}
      <Group justify="flex-end" mt={16} gap={8}>
        <Button size="xs" variant="default" onClick={close}>
          {t('common.cancel')}
        </Button>
        <Button size="xs" color="red" loading={result.fetching} onClick={() => void end()}>
          {t('live.hangUp')}
        </Button>
      </Group>
    </Modal>
  );
}
