import { Button } from '@mantine/core';
import { useState } from 'react';
import { useMutation, useQuery } from 'urql';
import { graphql, type ResultOf } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { DataTable } from '../parts/DataTable';
import { EditForm, lines, mistakesOf, rowsOf, text, type Values } from '../parts/EditForm';
import { Page, Section } from '../parts/Page';
import { useRights } from '../session';

const SetupQuery = graphql(`
  query PriceSetup {
    originSets(first: 500) {
      nodes {
        id
        key
        name
        callerPrefixes
        version
      }
      asOf {
        position
        lagMs
      }
    }
    deckMappings(first: 500) {
      nodes {
        id
        key
        name
        company {
          key
        }
        columns {
          theirs
          ours
        }
        dateLayout
        decimalComma
        version
      }
    }
    deckColumns
  }
`);

const PutSet = graphql(`
  mutation PutOriginSet($input: OriginSetPutInput!) {
    originSetPut(input: $input) {
      userErrors {
        message
        path
      }
    }
  }
`);

const RemoveSet = graphql(`
  mutation RemoveOriginSet($input: RemoveInput!) {
    originSetRemove(input: $input) {
      userErrors {
        message
      }
    }
  }
`);

const PutMapping = graphql(`
  mutation PutDeckMapping($input: DeckMappingPutInput!) {
    deckMappingPut(input: $input) {
      userErrors {
        message
        path
      }
    }
  }
`);

const RemoveMapping = graphql(`
  mutation RemoveDeckMapping($input: RemoveInput!) {
    deckMappingRemove(input: $input) {
      userErrors {
        message
      }
    }
  }
`);

type Setup = ResultOf<typeof SetupQuery>;
type OriginSet = Setup['originSets']['nodes'][number];
type Mapping = Setup['deckMappings']['nodes'][number];

/** What price lists refer to: sets of callers, and the names that partners give their columns. */
export function PriceSetup() {
  const { t } = useTexts();
  const { money } = useRights();
  const [{ data, error }, again] = useQuery({ query: SetupQuery });
  const [set, setSet] = useState<OriginSet | 'new' | null>(null);
  const [mapping, setMapping] = useState<Mapping | 'new' | null>(null);
  const refresh = () => again({ requestPolicy: 'network-only' });
  return (
    <Page title={t('nav.priceSetup')} error={error} asOf={data?.originSets.asOf} loading={!data && !error}>
      <Section
        title={t('origin.sets')}
        actions={
          money && (
            <Button size="compact-xs" variant="default" onClick={() => setSet('new')}>
              {t('edit.new')}
            </Button>
          )
        }
      >
        <DataTable
          label={t('origin.sets')}
          rows={data?.originSets.nodes ?? []}
          rowKey={(o) => o.id}
          loading={!data}
          {...(money ? { open: setSet } : {})}
          columns={[
            { id: 'key', title: t('company.key'), cell: (o) => o.key },
            { id: 'name', title: t('company.name'), cell: (o) => o.name },
            { id: 'prefixes', title: t('route.callers'), cell: (o) => o.callerPrefixes.slice(0, 30).join(', ') + (o.callerPrefixes.length > 30 ? ' …' : '') },
          ]}
        />
      </Section>
      <Section
        title={t('mapping.mappings')}
        actions={
          money && (
            <Button size="compact-xs" variant="default" onClick={() => setMapping('new')}>
              {t('edit.new')}
            </Button>
          )
        }
      >
        <DataTable
          label={t('mapping.mappings')}
          rows={data?.deckMappings.nodes ?? []}
          rowKey={(m) => m.id}
          loading={!data}
          {...(money ? { open: setMapping } : {})}
          columns={[
            { id: 'key', title: t('company.key'), cell: (m) => m.key },
            { id: 'name', title: t('company.name'), cell: (m) => m.name },
            { id: 'company', title: t('account.company'), cell: (m) => m.company?.key },
            { id: 'columns', title: t('mapping.columns'), cell: (m) => m.columns.map((c) => `${c.theirs} → ${c.ours}`).join(', ') },
            { id: 'dates', title: t('mapping.dateLayout'), cell: (m) => m.dateLayout },
            { id: 'comma', title: t('mapping.decimalComma'), cell: (m) => t(m.decimalComma ? 'common.yes' : 'common.no') },
          ]}
        />
      </Section>
      {set && <SetForm of={set === 'new' ? null : set} close={() => setSet(null)} changed={refresh} />}
      {mapping && data && <MappingForm of={mapping === 'new' ? null : mapping} columns={data.deckColumns} close={() => setMapping(null)} changed={refresh} />}
    </Page>
  );
}

function SetForm({ of, close, changed }: { of: OriginSet | null; close: () => void; changed: () => void }) {
  const { t } = useTexts();
  const [, put] = useMutation(PutSet);
  const [, drop] = useMutation(RemoveSet);
  const save = async (v: Values) => {
    const answer = await put({ input: { key: text(v, 'key'), name: text(v, 'name'), callerPrefixes: lines(v, 'callerPrefixes'), expectedVersion: of?.version ?? '0' } });
    changed();
    return mistakesOf(answer.error, answer.data?.originSetPut.userErrors);
  };
  const remove = async () => {
    const answer = await drop({ input: { id: of!.id } });
    changed();
    return mistakesOf(answer.error, answer.data?.originSetRemove.userErrors);
  };
  return (
    <EditForm
      title={`${t('origin.set')} ${of?.key ?? ''}`}
      initial={{ key: of?.key ?? '', name: of?.name ?? '', callerPrefixes: of?.callerPrefixes.join('\n') ?? '' }}
      save={save}
      {...(of ? { remove } : {})}
      close={close}
      fields={[
        { name: 'key', label: t('company.key'), kind: 'text', required: true, fixed: of !== null },
        { name: 'name', label: t('company.name'), kind: 'text' },
        { name: 'callerPrefixes', label: t('route.callers'), kind: 'lines', required: true },
      ]}
    />
  );
}

function MappingForm({ of, columns, close, changed }: { of: Mapping | null; columns: readonly string[]; close: () => void; changed: () => void }) {
  const { t } = useTexts();
  const [, put] = useMutation(PutMapping);
  const [, drop] = useMutation(RemoveMapping);
  const save = async (v: Values) => {
    const company = text(v, 'company');
    const answer = await put({
      input: {
        key: text(v, 'key'),
        name: text(v, 'name'),
        company: company || null,
        columns: rowsOf(v, 'columns').map((r) => ({ theirs: text(r, 'theirs'), ours: text(r, 'ours') })),
        dateLayout: text(v, 'dateLayout'),
        decimalComma: v['decimalComma'] === true,
        expectedVersion: of?.version ?? '0',
      },
    });
    changed();
    return mistakesOf(answer.error, answer.data?.deckMappingPut.userErrors);
  };
  const remove = async () => {
    const answer = await drop({ input: { id: of!.id } });
    changed();
    return mistakesOf(answer.error, answer.data?.deckMappingRemove.userErrors);
  };
  return (
    <EditForm
      title={`${t('mapping.mapping')} ${of?.key ?? ''}`}
      initial={{
        key: of?.key ?? '',
        name: of?.name ?? '',
        company: of?.company?.key ?? '',
        dateLayout: of?.dateLayout ?? '',
        decimalComma: of?.decimalComma ?? false,
        columns: of?.columns.map((c) => ({ theirs: c.theirs, ours: c.ours })) ?? [],
      }}
      save={save}
      {...(of ? { remove } : {})}
      close={close}
      fields={[
        { name: 'key', label: t('company.key'), kind: 'text', required: true, fixed: of !== null },
        { name: 'name', label: t('company.name'), kind: 'text' },
        { name: 'company', label: t('account.company'), kind: 'text', hint: t('mapping.companyHint') },
        { name: 'dateLayout', label: t('mapping.dateLayout'), kind: 'text', hint: t('mapping.dateHint') },
        { name: 'decimalComma', label: t('mapping.decimalComma'), kind: 'check' },
        {
          name: 'columns',
          label: t('mapping.columns'),
          kind: 'rows',
          columns: [
            { name: 'theirs', label: t('mapping.theirs'), kind: 'text', required: true },
            { name: 'ours', label: t('mapping.ours'), kind: 'select', options: columns.map((c) => ({ value: c, label: c })) },
          ],
        },
      ]}
    />
  );
}
