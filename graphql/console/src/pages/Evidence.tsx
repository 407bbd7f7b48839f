import { Button } from '@mantine/core';
import { useState } from 'react';
import { useQuery } from 'urql';
import { useTexts } from '../i18n/i18n';
import { DataTable } from '../parts/DataTable';
import { EvidenceQuery, type EvidenceRule, EvidenceRuleForm, evidenceLine } from '../parts/EvidenceRuleForm';
import { Page, Tag } from '../parts/Page';
import { useRights } from '../session';

/** The rules of which calls are recorded and captured. */
export function Evidence() {
  const { t } = useTexts();
  const { traffic } = useRights();
  const [{ data, error }, again] = useQuery({ query: EvidenceQuery });
  const [editing, setEditing] = useState<EvidenceRule | 'new' | null>(null);
  const rules = [...(data?.evidenceRules.nodes ?? [])].sort((a, b) => a.priority - b.priority || (a.key < b.key ? -1 : 1));
  return (
    <Page
      title={t('nav.evidence')}
      error={error}
      asOf={data?.evidenceRules.asOf}
      loading={!data && !error}
      actions={
        traffic && (
          <Button size="compact-xs" variant="default" onClick={() => setEditing('new')}>
            {t('edit.new')}
          </Button>
        )
      }
    >
      <DataTable
        label={t('nav.evidence')}
        rows={rules}
        rowKey={(r) => r.id}
        faded={(r) => r.disabled}
        loading={!data}
        {...(traffic ? { open: setEditing } : {})}
        columns={[
          { id: 'priority', title: t('evidence.priority'), right: true, cell: (r) => r.priority },
          { id: 'key', title: t('company.key'), cell: (r) => r.key },
          { id: 'name', title: t('company.name'), cell: (r) => r.name },
          { id: 'calls', title: t('evidence.calls'), cell: (r) => evidenceLine(r, t('evidence.everybody')) },
          { id: 'recording', title: t('evidence.recording'), cell: (r) => r.recording && <Tag tone={r.recording === 'ON' ? 'good' : 'wait'}>{t(`evidence.recording.${r.recording}`)}</Tag> },
          { id: 'capture', title: t('evidence.capture'), cell: (r) => r.capture && <Tag tone={r.capture === 'OFF' ? 'wait' : 'good'}>{t(`evidence.capture.${r.capture}`)}</Tag> },
        ]}
      />
      {editing && <EvidenceRuleForm of={editing === 'new' ? null : editing} close={() => setEditing(null)} changed={() => again({ requestPolicy: 'network-only' })} />}
    </Page>
  );
}
