import { Alert, Button } from '@mantine/core';
import { useState } from 'react';
import { useMutation } from 'urql';
import { usePolled } from '../api/client';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { type Column, DataTable } from '../parts/DataTable';
import { fullTime, keyOf } from '../parts/format';
import { Page, Section, Tag } from '../parts/Page';
import { type Webhook, WebhookForm, WebhooksQuery } from '../parts/WebhookForm';

const Resume = graphql(`
  mutation ResumeWebhook($input: WebhookResumeInput!) {
    webhookResume(input: $input) {
      userErrors {
        message
      }
    }
  }
`);

const Test = graphql(`
  mutation TestWebhook($input: WebhookTestInput!) {
    webhookTest(input: $input) {
      delivered
      userErrors {
        message
      }
    }
  }
`);

/** How the deliveries of a webhook stand. */
function State({ of }: { of: Webhook }) {
  const { t } = useTexts();
  if (of.disabled) return <Tag tone="wait">{t('guard.disabled')}</Tag>;
  if (of.paused) return <Tag tone="bad">{t('hooks.paused')}</Tag>;
  if (of.failingSince) return <Tag tone="bad">{t('hooks.failing')}</Tag>;
  return <Tag tone={of.cursor ? 'good' : 'wait'}>{t(of.cursor ? 'hooks.sending' : 'hooks.begins')}</Tag>;
}

/** Webhooks: which events go to whose server, and whether that takes them. */
export function Webhooks() {
  const { t } = useTexts();
  const { data, error, again } = usePolled(WebhooksQuery, {}, 5000);
  const [, resume] = useMutation(Resume);
  const [, test] = useMutation(Test);
  const [busy, setBusy] = useState('');
  const [said, setSaid] = useState<{ good: boolean; text: string } | null>(null);
  const [editing, setEditing] = useState<Webhook | 'new' | null>(null);
  const refresh = () => again({ requestPolicy: 'network-only' });
  const run = async (of: Webhook) => {
    setBusy(of.key);
    const input = { key: of.key };
    let mistake: string | undefined;
    if (of.paused) {
      const { data: d, error: e } = await resume({ input });
      mistake = e?.message ?? d?.webhookResume.userErrors[0]?.message;
    } else {
      const { data: d, error: e } = await test({ input });
      mistake = e?.message ?? d?.webhookTest.userErrors[0]?.message;
    }
    setSaid({ good: !mistake, text: mistake ?? t(of.paused ? 'hooks.resumed' : 'hooks.taken', { key: of.key }) });
    setBusy('');
    refresh();
  };
  const columns: Column<Webhook>[] = [
    { id: 'state', title: '', cell: (w) => <State of={w} /> },
    { id: 'key', title: t('company.key'), cell: (w) => w.key },
    { id: 'name', title: t('company.name'), cell: (w) => w.name },
    { id: 'company', title: t('files.company'), cell: (w) => (w.companyId ? keyOf(w.companyId) : t('common.all')) },
    { id: 'kinds', title: t('hooks.kinds'), cell: (w) => w.kinds.map((k) => t(`event.${k}`)).join(', ') || t('common.all') },
    { id: 'url', title: t('files.url'), cell: (w) => w.url || w.mailTo.join(', ') },
    { id: 'at', title: t('hooks.at'), cell: (w) => (w.at ? fullTime(w.at) : '') },
    { id: 'reason', title: t('hooks.reason'), cell: (w) => w.reason },
    {
      id: 'run',
      title: '',
      right: true,
      cell: (w) => (
        <Button
          size="compact-xs"
          variant="subtle"
          loading={busy === w.key}
          onClick={(e) => {
            e.stopPropagation();
            void run(w);
          }}
        >
          {t(w.paused ? 'hooks.resume' : 'hooks.test')}
        </Button>
      ),
    },
  ];
  return (
    <Page title={t('nav.webhooks')} error={error} asOf={data?.webhooks.asOf} loading={!data && !error}>
      <Section
        title={t('nav.webhooks')}
        actions={
          <Button size="compact-xs" variant="default" onClick={() => setEditing('new')}>
            {t('edit.new')}
          </Button>
        }
      >
        {said && (
          <Alert color={said.good ? 'green' : 'red'} variant="light" py={8} mb={8} role="status">
            {said.text}
          </Alert>
        )}
        <DataTable label={t('nav.webhooks')} rows={data?.webhooks.nodes ?? []} rowKey={(w) => w.id} faded={(w) => w.disabled} loading={!data} open={setEditing} columns={columns} />
      </Section>
      {editing && <WebhookForm of={editing === 'new' ? null : editing} close={() => setEditing(null)} changed={refresh} />}
    </Page>
  );
}
