import { Alert, Button, Checkbox, Group, Modal, Stack, Text, Textarea, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { useMutation } from 'urql';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { instant } from '../pages/cdrSearch';

const ImportMutation = graphql(`
  mutation DeckVersionImport($input: DeckVersionImportInput!) {
    deckVersionImport(input: $input) {
      deckVersion {
        number
      }
      rowCount
      userErrors {
        message
      }
    }
  }
`);

/** Adds a version to a deck from CSV text or a file. */
export function DeckImport({ deck, close }: { deck: string; close: () => void }) {
  const { t } = useTexts();
  const [result, run] = useMutation(ImportMutation);
  const [csv, setCsv] = useState('');
  const [source, setSource] = useState('');
  const [from, setFrom] = useState('');
  const [dryRun, setDryRun] = useState(true);
  const payload = result.data?.deckVersionImport;
  const mistakes = payload?.userErrors.map((m) => m.message) ?? [];
  if (result.error) mistakes.push(result.error.graphQLErrors[0]?.message ?? result.error.message);
  const effectiveFrom = instant(from);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    await run({ input: { deck: `deck:${deck}`, csv, source, dryRun, ...(effectiveFrom ? { effectiveFrom } : {}) } });
  };
  return (
    <Modal opened onClose={close} title={`${t('deck.import')}: ${deck}`} size="lg" centered>
      <form onSubmit={(e) => void submit(e)}>
        <Stack gap={10}>
          <input
            type="file"
            accept=".csv,text/csv"
            aria-label={t('deck.source')}
            onChange={(e) => {
              const file = e.currentTarget.files?.[0];
              if (!file) return;
              setSource(file.name);
              void file.text().then(setCsv);
            }}
          />
          <Textarea label="CSV" description={t('deck.importHint')} minRows={8} maxRows={14} autosize required value={csv} onChange={(e) => setCsv(e.currentTarget.value)} styles={{ input: { fontFamily: 'monospace', fontSize: 12 } }} />
          <TextInput size="sm" label={t('deck.from')} placeholder="2026-02-01 00:00" value={from} onChange={(e) => setFrom(e.currentTarget.value)} />
          <Checkbox size="xs" label={t('deck.dryRun')} checked={dryRun} onChange={(e) => setDryRun(e.currentTarget.checked)} />
          {mistakes.map((m) => (
            <Alert key={m} color="red" variant="light" py={8}>
              {m}
            </Alert>
          ))}
          {payload && mistakes.length === 0 && (
            <Text fz="sm">{payload.deckVersion ? t('deck.imported', { n: payload.deckVersion.number }) : t('deck.rowsRead', { n: payload.rowCount })}</Text>
          )}
          <Group justify="flex-end" gap={8}>
            <Button size="xs" variant="default" onClick={close}>
              {t('common.close')}
            </Button>
            <Button size="xs" type="submit" loading={result.fetching}>
              {t(dryRun ? 'deck.dryRun' : 'deck.importRun')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
