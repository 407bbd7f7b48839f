import { Alert, Button } from '@mantine/core';
import { useState } from 'react';
import { useMutation } from 'urql';
import { usePolled } from '../api/client';
import { graphql, type ResultOf } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { type Column, DataTable } from '../parts/DataTable';
import { fullTime, grouped } from '../parts/format';
import { Page, Section, Tag } from '../parts/Page';
import { useRights } from '../session';

const JobsQuery = graphql(`
  query Jobs {
    jobs(last: 500) {
      nodes {
        id
        key
        actor
        createdAt
        list
        parameters {
          name
          value
        }
        format
        state
        cancelled
        node
        rows
        endedAt
        error
        size
        url
      }
      asOf {
        position
        lagMs
      }
    }
  }
`);

const Cancel = graphql(`
  mutation CancelJob($input: JobCancelInput!) {
    jobCancel(input: $input) {
      userErrors {
        message
      }
    }
  }
`);

type Job = ResultOf<typeof JobsQuery>['jobs']['nodes'][number];

const tones = { QUEUED: 'wait', RUNNING: 'wait', DONE: 'good', FAILED: 'bad', CANCELLED: 'wait' } as const;

/** Lists that are written into files, whoever waits for them or not. */
export function Jobs() {
  const { t } = useTexts();
  const { admin } = useRights();
  const { data, error, again } = usePolled(JobsQuery, {}, 2000);
  const [, cancel] = useMutation(Cancel);
  const [said, setSaid] = useState('');
  const stop = async (job: Job) => {
    const { data: d, error: e } = await cancel({ input: { key: job.key } });
    setSaid(e?.message ?? d?.jobCancel.userErrors[0]?.message ?? '');
    again({ requestPolicy: 'network-only' });
  };
  const columns: Column<Job>[] = [
    { id: 'state', title: '', cell: (j) => <Tag tone={tones[j.state]}>{t(`job.${j.state}`)}</Tag> },
    { id: 'at', title: t('job.created'), cell: (j) => fullTime(j.createdAt) },
    { id: 'list', title: t('job.list'), cell: (j) => j.list },
    { id: 'of', title: t('job.parameters'), cell: (j) => j.parameters.map((p) => `${p.name}=${p.value}`).join(' ') },
    { id: 'rows', title: t('job.rows'), right: true, cell: (j) => grouped(j.rows) },
    { id: 'size', title: t('job.size'), right: true, cell: (j) => (j.size ? grouped(j.size) : '') },
    { id: 'ended', title: t('job.ended'), cell: (j) => (j.endedAt ? fullTime(j.endedAt) : '') },
    { id: 'node', title: t('cdr.node'), cell: (j) => j.node ?? '' },
    { id: 'actor', title: t('audit.actor'), cell: (j) => j.actor },
    { id: 'error', title: t('job.error'), cell: (j) => j.error },
    {
      id: 'do',
      title: '',
      right: true,
      cell: (j) =>
        j.url ? (
          <Button component="a" href={j.url} download size="compact-xs" variant="default">
            {j.format}
          </Button>
        ) : (
          (j.state === 'QUEUED' || j.state === 'RUNNING') && (
            <Button size="compact-xs" variant="subtle" disabled={j.cancelled} onClick={() => void stop(j)}>
              {t('common.cancel')}
            </Button>
          )
        ),
    },
  ];
  return (
    <Page title={t('nav.jobs')} error={error} asOf={data?.jobs.asOf} loading={!data && !error}>
      <Section title={t('job.about')}>
        {said && (
          <Alert color="red" variant="light" py={8} mb={8} role="status">
            {said}
          </Alert>
        )}
        <DataTable
          label={t('nav.jobs')}
          rows={[...(data?.jobs.nodes ?? [])].reverse()}
          rowKey={(j) => j.id}
          loading={!data}
          columns={admin ? columns : columns.filter((c) => c.id !== 'actor')}
        />
      </Section>
    </Page>
  );
}
