import { Alert, Button } from '@mantine/core';
import { useState } from 'react';
import { useMutation, useQuery } from 'urql';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { DataTable } from '../parts/DataTable';
import { fullTime } from '../parts/format';
import { Page, Tag } from '../parts/Page';
import { useRights } from '../session';

const NodesQuery = graphql(`
  query Nodes {
    members {
      name
      address
      sip
      version
      up
      seenAt
      keepsBook
      draining
      holds
      calls
      maxCalls
      position
      clockAhead
      differsAt
    }
    rescues {
      position
      recordedAt
      node
      reason
      journals {
        journal
        keptPosition
        keptAt
        heardPosition
      }
    }
  }
`);

const DrainMutation = graphql(`
  mutation DrainNode($input: NodeDrainInput!) {
    nodeDrain(input: $input) {
      userErrors {
        message
      }
    }
  }
`);

const UndrainMutation = graphql(`
  mutation UndrainNode($input: NodeDrainInput!) {
    nodeUndrain(input: $input) {
      userErrors {
        message
      }
    }
  }
`);

/** The nodes of the cluster, who does what, and who takes calls. */
export function Nodes() {
  const { t } = useTexts();
  const { traffic } = useRights();
  const [{ data, error }, again] = useQuery({ query: NodesQuery });
  const [, drain] = useMutation(DrainMutation);
  const [, undrain] = useMutation(UndrainMutation);
  const [refused, setRefused] = useState('');
  const turn = async (node: string, on: boolean) => {
    const problems = on
      ? await drain({ input: { node } }).then((a) => a.error?.message ?? a.data?.nodeDrain.userErrors.map((e) => e.message).join(' '))
      : await undrain({ input: { node } }).then((a) => a.error?.message ?? a.data?.nodeUndrain.userErrors.map((e) => e.message).join(' '));
    setRefused(problems ?? '');
    again({ requestPolicy: 'network-only' });
  };
  return (
    <Page title={t('nav.nodes')} error={error} loading={!data && !error}>
      {refused && <p role="alert">{refused}</p>}
      {data?.rescues.map((r) => {
        const book = r.journals.find((j) => j.journal === 'book');
        return (
          <Alert key={r.position} color="red" variant="light" py={8} title={t('nodes.rescued', { node: r.node, at: fullTime(r.recordedAt) })}>
            {r.reason}. {t('nodes.lost', { from: book?.keptAt ? fullTime(book.keptAt) : '—', kept: book?.keptPosition ?? '0', heard: book?.heardPosition ?? '0' })}
          </Alert>
        );
      })}
      <DataTable
        label={t('nav.nodes')}
        rows={data?.members ?? []}
        rowKey={(m) => m.name}
        faded={(m) => !m.up}
        loading={!data}
        columns={[
          { id: 'name', title: t('nodes.name'), cell: (m) => m.name },
          {
            id: 'state',
            title: t('nodes.state'),
            cell: (m) => <Tag tone={!m.up || m.differsAt ? 'bad' : m.draining ? 'wait' : 'good'}>{t(!m.up ? 'nodes.down' : m.differsAt ? 'nodes.differs' : m.draining ? 'nodes.drained' : 'nodes.up')}</Tag>,
          },
          { id: 'roles', title: t('nodes.roles'), cell: (m) => [m.keepsBook ? t('nodes.keeps') : '', ...m.holds].filter(Boolean).join(', ') },
          { id: 'calls', title: t('nodes.calls'), right: true, cell: (m) => `${m.calls} / ${m.maxCalls}` },
          { id: 'sip', title: t('nodes.sip'), cell: (m) => m.sip },
          { id: 'address', title: t('peer.host'), cell: (m) => m.address },
          { id: 'clock', title: t('nodes.clock'), right: true, cell: (m) => `${Number(m.clockAhead).toFixed(3)} s` },
          { id: 'position', title: t('nodes.position'), right: true, cell: (m) => m.position },
          { id: 'seen', title: t('nodes.seen'), cell: (m) => m.seenAt && fullTime(m.seenAt) },
          { id: 'version', title: t('nodes.version'), cell: (m) => m.version },
          {
            id: 'drain',
            title: '',
            cell: (m) =>
              traffic && m.up ? (
                <Button size="compact-xs" variant="default" onClick={() => void turn(m.name, !m.draining)}>
                  {t(m.draining ? 'nodes.undrain' : 'nodes.drain')}
                </Button>
              ) : null,
          },
        ]}
      />
    </Page>
  );
}
