import { Alert, Button, Checkbox, Group, NativeSelect, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { useMutation, useQuery } from 'urql';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { mistakesOf } from './EditForm';
import { Section } from './Page';
import classes from './parts.module.css';

const ColumnsQuery = graphql(`
  query MappingColumns($id: ID!) {
    deckColumns
    node(id: $id) {
      ... on DeckMapping {
        key
        dateLayout
        decimalComma
        columns {
          theirs
          ours
        }
      }
    }
  }
`);

const MappingMutation = graphql(`
  mutation RememberColumns($input: DeckMappingPutInput!) {
    deckMappingPut(input: $input) {
      deckMapping {
        id
      }
      userErrors {
        message
      }
    }
  }
`);

interface Props {
  errors: readonly { column: string; unknownColumn: boolean }[];
  /** The mapping that was used. */
  mapping: string | undefined;
  /** The key of a new one. */
  fallback: string;
  company: string | undefined;
  saved: (id: string) => void;
}

/** Asks what the columns are that nobody knows, and remembers it for the partner. */
export function UnknownColumns({ errors, mapping, fallback, company, saved }: Props) {
  const { t } = useTexts();
  const unknown = [...new Set(errors.filter((e) => e.unknownColumn).map((e) => e.column))];
  const [{ data }] = useQuery({ query: ColumnsQuery, variables: { id: mapping ?? `deck-mapping:${fallback}` }, pause: unknown.length === 0 });
  const [result, put] = useMutation(MappingMutation);
  const [chosen, setChosen] = useState<Record<string, string>>({});
  const [comma, setComma] = useState<boolean | null>(null);
  const [layout, setLayout] = useState<string | null>(null);
  if (unknown.length === 0 || !data) return null;
  const old = data.node && 'columns' in data.node ? data.node : undefined;
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const known = (old?.columns ?? []).map(({ theirs, ours }) => ({ theirs, ours }));
    const answer = await put({
      input: {
        key: old?.key ?? fallback,
        ...(company ? { company } : {}),
        columns: [...known, ...unknown.map((theirs) => ({ theirs, ours: chosen[theirs] ?? 'ignore' }))],
        decimalComma: comma ?? old?.decimalComma ?? false,
        dateLayout: layout ?? old?.dateLayout ?? '',
      },
    });
    const id = answer.data?.deckMappingPut.deckMapping?.id;
    if (id && answer.data?.deckMappingPut.userErrors.length === 0) saved(id);
  };
  return (
    <Section title={t('import.unknown')}>
      <form className={classes.panel} onSubmit={(e) => void submit(e)}>
        <Group align="end" gap={12}>
          {unknown.map((theirs) => (
            <NativeSelect
              key={theirs}
              size="xs"
              label={theirs}
              value={chosen[theirs] ?? 'ignore'}
              onChange={(e) => setChosen({ ...chosen, [theirs]: e.currentTarget.value })}
              data={['ignore', ...data.deckColumns.filter((c) => c !== 'ignore')]}
            />
          ))}
          <TextInput size="xs" label={t('mapping.dateLayout')} placeholder="02.01.2006" value={layout ?? old?.dateLayout ?? ''} onChange={(e) => setLayout(e.currentTarget.value)} />
          <Checkbox size="xs" label={t('mapping.decimalComma')} checked={comma ?? old?.decimalComma ?? false} onChange={(e) => setComma(e.currentTarget.checked)} />
          <Button size="xs" type="submit" loading={result.fetching}>
            {t('import.remember', { key: old?.key ?? fallback })}
          </Button>
        </Group>
        {mistakesOf(result.error, result.data?.deckMappingPut.userErrors).map((m) => (
          <Alert key={m.message} color="red" variant="light" py={8} mt={8} role="alert">
            {m.message}
          </Alert>
        ))}
      </form>
    </Section>
  );
}
