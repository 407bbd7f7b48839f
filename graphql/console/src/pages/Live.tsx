import { Button, Group, Modal, Text } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { useMutation } from 'urql';
import { usePolled } from '../api/client';
import { graphql, type ResultOf } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { type Column, DataTable } from '../parts/DataTable';
import { clock, dayTime, keyOf } from '../parts/format';
import { Page, Tag } from '../parts/Page';
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

export function Live() {
  const { t } = useTexts();
  const { traffic, staff } = useRights();
  const navigate = useNavigate();
  const { data, error } = usePolled(LiveQuery, {}, 2000);
  const [ending, setEnding] = useState<Call | null>(null);
  const calls = data?.liveCalls;
  const columns: Column<Call>[] = [
    { id: 'state', title: t('live.state'), cell: (c) => <Tag tone={c.state === 'TALKING' ? 'good' : 'wait'}>{t(`live.${c.state}`)}</Tag> },
    { id: 'setup', title: t('live.since'), cell: (c) => dayTime(c.setupAt) },
    { id: 'talk', title: t('live.duration'), right: true, cell: (c) => (c.state === 'TALKING' ? clock(c.talk) : '') },
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
    <Page title={t('nav.live')} error={error} asOf={calls?.asOf} loading={!calls && !error} actions={<Text fz="sm" c="dimmed">{calls ? t('live.count', { n: calls.nodes.length + (calls.pageInfo.hasNextPage ? '+' : '') }) : ''}</Text>}>
      <DataTable
        label={t('nav.live')}
        rows={calls?.nodes ?? []}
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
