import { Alert, Button, Checkbox, Group, NativeSelect, SimpleGrid, TextInput } from '@mantine/core';
import { Link, useParams } from '@tanstack/react-router';
import { type FormEvent, useRef, useState } from 'react';
import { useMutation, useQuery } from 'urql';
import { graphql, type ResultOf } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { DataTable } from '../parts/DataTable';
import { mistakesOf } from '../parts/EditForm';
import { fullTime, grouped, rate } from '../parts/format';
import { newKey } from '../parts/key';
import { Page, Section, Tag } from '../parts/Page';
import classes from '../parts/parts.module.css';
import { UnknownColumns } from '../parts/UnknownColumns';
import { instant } from './cdrSearch';

const SetupQuery = graphql(`
  query DeckImportSetup($id: ID!) {
    deck(id: $id) {
      key
      name
      currency
      noticeDays
      company {
        id
        key
      }
    }
    deckMappings(first: 500) {
      nodes {
        id
        key
        company {
          id
        }
      }
    }
  }
`);

const ImportMutation = graphql(`
  mutation DeckImport($input: DeckImportInput!) {
    deckImport(input: $input) {
      mapping {
        id
        key
      }
      versions {
        number
        effectiveFrom
        rowCount
      }
      counts {
        kind
        rows
      }
      changes {
        kind
        prefix
        destination
        origin
        band
        before
        after
        effectiveFrom
      }
      errors {
        line
        column
        reason
        notice
        unknownColumn
      }
      errorCount
      traffic {
        prefix
        currency
        calls
        unpriced
        before
        after
      }
      trafficTotals {
        currency
        calls
        before
        after
      }
      position
      repeated
      userErrors {
        message
        path
      }
    }
  }
`);

export type Imported = ResultOf<typeof ImportMutation>['deckImport'];

const noMapping = '-';

/** A partner's price list on its way into a deck: it is checked first, then imported as it was checked. */
export function DeckImportPage() {
  const { t } = useTexts();
  const { key } = useParams({ from: '/decks/$key/import' });
  const [{ data, error, fetching }, again] = useQuery({ query: SetupQuery, variables: { id: `deck:${key}` } });
  const [sent, send] = useMutation(ImportMutation);
  const [file, setFile] = useState<File | null>(null);
  const [mapping, setMapping] = useState('');
  const [from, setFrom] = useState('');
  const [removeMissing, setRemoveMissing] = useState(false);
  const [ignoreNotice, setIgnoreNotice] = useState(false);
  const [checked, setChecked] = useState<Imported | null>(null);
  const [done, setDone] = useState<Imported | null>(null);
  const idempotencyKey = useRef(newKey());
  const deck = data?.deck;
  /** Whatever is changed must be checked again, and is another import. */
  const changed = <T,>(set: (value: T) => void) => {
    return (value: T) => {
      set(value);
      setChecked(null);
      setDone(null);
      idempotencyKey.current = newKey();
    };
  };
  const run = async (dryRun: boolean) => {
    if (!file) return;
    const effectiveFrom = instant(from);
    const result = await send({
      input: {
        deck: `deck:${key}`,
        file,
        removeMissing,
        ignoreNotice,
        dryRun,
        idempotencyKey: idempotencyKey.current,
        ...(effectiveFrom ? { effectiveFrom } : {}),
        ...(mapping ? { mapping: mapping === noMapping ? null : mapping } : {}),
      },
    });
    const payload = result.data?.deckImport ?? null;
    if (dryRun) setChecked(payload);
    else setDone(payload);
  };
  const shown = done ?? checked;
  const mistakes = mistakesOf(sent.error, shown?.userErrors);
  const committed = Boolean(done?.position);
  return (
    <Page title={`${t('deck.import')}: ${deck?.name || key}${deck ? ` · ${deck.currency}` : ''}`} error={error} loading={fetching || sent.fetching}>
      {data && !deck && <div className={classes.empty}>{t('common.notFound')}</div>}
      {deck && (
        <form
          className={classes.panel}
          onSubmit={(event: FormEvent) => {
            event.preventDefault();
            void run(true);
          }}
        >
          <Group align="end" gap={12}>
            <label className={classes.file}>
              <span>{t('import.file')}</span>
              <input type="file" accept=".csv,.xlsx,text/csv" required onChange={(e) => changed(setFile)(e.currentTarget.files?.[0] ?? null)} />
            </label>
            <NativeSelect
              size="xs"
              label={t('import.mapping')}
              value={mapping}
              onChange={(e) => changed(setMapping)(e.currentTarget.value)}
              data={[
                { value: '', label: t('import.mappingAuto') },
                { value: noMapping, label: t('import.mappingNone') },
                ...data.deckMappings.nodes.map((m) => ({ value: m.id, label: m.key })),
              ]}
            />
            <TextInput size="xs" label={t('deck.from')} placeholder={t('import.now')} value={from} onChange={(e) => changed(setFrom)(e.currentTarget.value)} />
            <Checkbox size="xs" label={t('import.removeMissing')} checked={removeMissing} onChange={(e) => changed(setRemoveMissing)(e.currentTarget.checked)} />
            {deck.noticeDays > 0 && (
              <Checkbox size="xs" label={t('import.ignoreNotice', { days: deck.noticeDays })} checked={ignoreNotice} onChange={(e) => changed(setIgnoreNotice)(e.currentTarget.checked)} />
            )}
            <Button size="xs" type="submit" variant={checked ? 'default' : 'filled'} disabled={!file || committed} loading={sent.fetching && !checked}>
              {t('import.check')}
            </Button>
            <Button size="xs" disabled={!checked || checked.errorCount > 0 || mistakes.length > 0 || committed} loading={sent.fetching && Boolean(checked)} onClick={() => void run(false)}>
              {t('deck.importRun')}
            </Button>
          </Group>
        </form>
      )}
      {mistakes.map((m) => (
        <Alert key={m.message} color="red" variant="light" py={8} role="alert">
          {m.message}
        </Alert>
      ))}
      {committed && (
        <Alert color="green" variant="light" py={8} role="status">
          {t('import.done', { versions: done!.versions.map((v) => v.number).join(', '), position: done!.position ?? '' })}{' '}
          <Link to="/decks/$key" params={{ key }} className={classes.link}>
            {t('import.show')}
          </Link>
        </Alert>
      )}
      {shown && <Difference of={shown} />}
      {checked && deck && !committed && (
        <UnknownColumns
          errors={checked.errors}
          mapping={checked.mapping?.id}
          fallback={deck.company?.key ?? key}
          company={deck.company?.id}
          saved={(id) => {
            setMapping(id);
            setChecked(null);
            again({ requestPolicy: 'network-only' });
          }}
        />
      )}
      {shown && <Tables of={shown} />}
    </Page>
  );
}

/** What the file would change, in a line. */
function Difference({ of }: { of: Imported }) {
  const { t } = useTexts();
  const tones = { INCREASE: 'wait', REMOVED: 'bad', BLOCKED: 'bad', DECREASE: 'good' } as const;
  return (
    <Group gap={8} role="status">
      {of.errorCount > 0 && <Tag tone="bad">{t('import.errors', { n: grouped(String(of.errorCount)) })}</Tag>}
      {of.mapping && <Tag>{`${t('import.mapping')}: ${of.mapping.key}`}</Tag>}
      {of.versions.map((v) => (
        <Tag key={v.number} tone="good">
          {t('import.version', { n: v.number, rows: grouped(String(v.rowCount)), from: fullTime(v.effectiveFrom) })}
        </Tag>
      ))}
      {of.counts.map((c) => (
        <Tag key={c.kind} tone={c.kind in tones ? tones[c.kind as keyof typeof tones] : undefined}>
          {`${t(`change.${c.kind}`)}: ${grouped(String(c.rows))}`}
        </Tag>
      ))}
    </Group>
  );
}

function Tables({ of }: { of: Imported }) {
  const { t } = useTexts();
  const [kind, setKind] = useState('');
  const changes = of.changes.filter((c) => !kind || c.kind === kind);
  return (
    <>
      {of.errors.length > 0 && (
        <Section title={t('import.errors', { n: grouped(String(of.errorCount)) })}>
          <DataTable
            label={t('import.errors', { n: of.errorCount })}
            rows={of.errors}
            rowKey={(e) => `${e.line} ${e.column} ${e.reason}`}
            maxHeight="40vh"
            columns={[
              { id: 'line', title: t('import.line'), right: true, cell: (e) => e.line || '' },
              { id: 'column', title: t('import.column'), cell: (e) => e.column },
              { id: 'reason', title: t('account.reason'), cell: (e) => <span className={classes.wrap}>{e.reason}</span> },
              { id: 'notice', title: '', cell: (e) => e.notice && <Tag tone="wait">{t('import.notice')}</Tag> },
            ]}
          />
        </Section>
      )}
      <SimpleGrid cols={{ base: 1, lg: of.traffic.length > 0 ? 2 : 1 }} spacing={14}>
        {of.changes.length > 0 && (
          <Section
            title={t('import.changes')}
            actions={
              <NativeSelect
                size="xs"
                aria-label={t('import.kind')}
                value={kind}
                onChange={(e) => setKind(e.currentTarget.value)}
                data={[{ value: '', label: t('common.all') }, ...of.counts.filter((c) => c.kind !== 'UNCHANGED').map((c) => ({ value: c.kind, label: t(`change.${c.kind}`) }))]}
              />
            }
          >
            <DataTable
              label={t('import.changes')}
              rows={changes}
              rowKey={(c) => `${c.prefix} ${c.origin} ${c.band} ${c.effectiveFrom}`}
              maxHeight="50vh"
              columns={[
                { id: 'kind', title: t('import.kind'), cell: (c) => t(`change.${c.kind}`) },
                { id: 'prefix', title: t('deck.prefix'), cell: (c) => [c.prefix, c.origin, c.band].filter(Boolean).join(' · ') },
                { id: 'destination', title: t('cdr.destination'), cell: (c) => c.destination },
                { id: 'before', title: t('import.before'), right: true, cell: (c) => c.before && rate(c.before) },
                { id: 'after', title: t('import.after'), right: true, cell: (c) => c.after && rate(c.after) },
                { id: 'from', title: t('deck.from'), cell: (c) => fullTime(c.effectiveFrom) },
              ]}
            />
          </Section>
        )}
        {of.traffic.length > 0 && (
          <Section
            title={t('import.traffic')}
            actions={of.trafficTotals.map((x) => (
              <Tag key={x.currency}>{`${t('import.calls')}: ${grouped(String(x.calls))} · ${grouped(x.before)} → ${grouped(x.after)} ${x.currency}`}</Tag>
            ))}
          >
            <DataTable
              label={t('import.traffic')}
              rows={of.traffic}
              rowKey={(p) => p.prefix + p.currency}
              maxHeight="50vh"
              columns={[
                { id: 'prefix', title: t('deck.prefix'), cell: (p) => p.prefix },
                { id: 'calls', title: t('import.calls'), right: true, cell: (p) => grouped(String(p.calls)) },
                { id: 'before', title: t('import.before'), right: true, cell: (p) => grouped(p.before) },
                { id: 'after', title: t('import.after'), right: true, cell: (p) => grouped(p.after) },
                { id: 'currency', title: t('account.currency'), cell: (p) => p.currency },
                { id: 'unpriced', title: t('import.unpriced'), right: true, cell: (p) => p.unpriced || '' },
              ]}
            />
          </Section>
        )}
      </SimpleGrid>
    </>
  );
}
