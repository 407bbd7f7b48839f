import { Alert, Button } from '@mantine/core';
import { useState } from 'react';
import { useMutation } from 'urql';
import { usePolled } from '../api/client';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { CdrProfileForm, type Profile, ProfilesQuery } from '../parts/CdrProfileForm';
import { type Column, DataTable } from '../parts/DataTable';
import { fullTime, keyOf } from '../parts/format';
import { Page, Section, Tag } from '../parts/Page';
import { useRights } from '../session';

const WriteFiles = graphql(`
  mutation WriteCdrFiles($input: CdrFilesWriteInput!) {
    cdrFilesWrite(input: $input) {
      files
      userErrors {
        message
      }
    }
  }
`);

// A file that is owed for longer is told in the audit, too.
const lateAfter = 3600_000;

/** How the last file of a profile stands. */
function LastFile({ of }: { of: Profile }) {
  const { t } = useTexts();
  const { last } = of;
  if (of.disabled) return <Tag tone="wait">{t('guard.disabled')}</Tag>;
  if (!last) return <Tag tone="wait">{t('files.none')}</Tag>;
  if (last.deliveredAt) return <Tag tone="good">{t('files.delivered')}</Tag>;
  const late = Date.now() - new Date(last.cutAt).getTime() > lateAfter;
  return <Tag tone={late ? 'bad' : 'wait'}>{t(late ? 'files.late' : 'files.owed')}</Tag>;
}

/** Profiles of CDR files: what is written when and where to, and how far it has come. */
export function CdrFiles() {
  const { t } = useTexts();
  const { admin, money } = useRights();
  const { data, error, again } = usePolled(ProfilesQuery, {}, 5000);
  const [result, write] = useMutation(WriteFiles);
  const [writing, setWriting] = useState('');
  const [editing, setEditing] = useState<Profile | 'new' | null>(null);
  const refresh = () => again({ requestPolicy: 'network-only' });
  const run = async (key: string) => {
    setWriting(key);
    await write({ input: { key } });
    setWriting('');
    refresh();
  };
  const mistake = result.data?.cdrFilesWrite.userErrors[0]?.message ?? result.error?.message;
  const columns: Column<Profile>[] = [
    { id: 'state', title: '', cell: (p) => <LastFile of={p} /> },
    { id: 'key', title: t('company.key'), cell: (p) => p.key },
    { id: 'name', title: t('company.name'), cell: (p) => p.name },
    { id: 'whose', title: t('files.whose'), cell: (p) => [p.companyId, p.accountId].flatMap((id) => (id ? [keyOf(id)] : [])).join(' · ') || t('common.all') },
    { id: 'interval', title: t('files.interval'), right: true, cell: (p) => p.intervalSeconds },
    { id: 'format', title: t('files.format'), cell: (p) => t(`files.${p.format}`) },
    { id: 'place', title: t('files.place'), cell: (p) => p.url || p.directory },
    { id: 'number', title: t('files.number'), right: true, cell: (p) => p.last?.number ?? '' },
    { id: 'rows', title: t('files.rows'), right: true, cell: (p) => p.last?.rows ?? '' },
    { id: 'cut', title: t('files.cut'), cell: (p) => (p.last ? fullTime(p.last.cutAt) : '') },
  ];
  if (money) {
    columns.push({
      id: 'write',
      title: '',
      right: true,
      cell: (p) => (
        <Button
          size="compact-xs"
          variant="subtle"
          loading={writing === p.key}
          onClick={(e) => {
            e.stopPropagation();
            void run(p.key);
          }}
        >
          {t('files.write')}
        </Button>
      ),
    });
  }
  return (
    <Page title={t('nav.files')} error={error} asOf={data?.cdrProfiles.asOf} loading={!data && !error}>
      <Section
        title={t('files.profiles')}
        actions={
          admin && (
            <Button size="compact-xs" variant="default" onClick={() => setEditing('new')}>
              {t('edit.new')}
            </Button>
          )
        }
      >
        {result.data || mistake ? (
          <Alert color={mistake ? 'red' : 'green'} variant="light" py={8} mb={8} role="status">
            {mistake ?? t('files.written', { count: String(result.data?.cdrFilesWrite.files ?? 0) })}
          </Alert>
        ) : null}
        <DataTable label={t('files.profiles')} rows={data?.cdrProfiles.nodes ?? []} rowKey={(p) => p.id} faded={(p) => p.disabled} loading={!data} {...(admin ? { open: setEditing } : {})} columns={columns} />
      </Section>
      {editing && <CdrProfileForm of={editing === 'new' ? null : editing} close={() => setEditing(null)} changed={refresh} />}
    </Page>
  );
}
