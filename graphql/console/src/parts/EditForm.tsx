import { ActionIcon, Alert, Button, Checkbox, Group, Modal, NativeSelect, Stack, Text, Textarea, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { useTexts } from '../i18n/i18n';
import classes from './parts.module.css';

interface Option {
  value: string;
  label: string;
}

/** One value of a row, or of the form. */
interface Single {
  name: string;
  label: string;
  kind: 'text' | 'password' | 'select' | 'check';
  options?: Option[];
  required?: boolean;
  hint?: string;
  fixed?: boolean;
}

export type Field = Single | { name: string; label: string; kind: 'lines'; hint?: string; required?: boolean } | { name: string; label: string; kind: 'rows'; columns: Single[]; hint?: string };

export type Row = Record<string, string | boolean>;
export type Values = Record<string, string | boolean | Row[]>;

export interface Mistake {
  message: string;
  path?: string | null;
}

interface Props {
  title: string;
  fields: Field[];
  initial: Values;
  /** Does the deed; the mistakes are shown beside their fields. */
  save: (values: Values) => Promise<Mistake[]>;
  remove?: () => Promise<Mistake[]>;
  close: () => void;
}

export const text = (v: Values | Row, name: string): string => String(v[name] ?? '').trim();
export const lines = (v: Values, name: string): string[] =>
  text(v, name)
    .split(/[\s,;]+/)
    .filter(Boolean);
export const rowsOf = (v: Values, name: string): Row[] => {
  const list = v[name];
  return Array.isArray(list) ? list : [];
};

/** What a mutation's answer says against it. */
export function mistakesOf(error: { message: string; graphQLErrors: { message: string }[] } | undefined, list: readonly Mistake[] | undefined): Mistake[] {
  if (error) return [{ message: error.graphQLErrors[0]?.message ?? error.message }];
  return [...(list ?? [])];
}

/** A form in a dialog for one thing that is configured. */
export function EditForm({ title, fields, initial, save, remove, close }: Props) {
  const { t } = useTexts();
  const [values, setValues] = useState(initial);
  const [mistakes, setMistakes] = useState<Mistake[]>([]);
  const [busy, setBusy] = useState(false);
  const [sure, setSure] = useState(false);
  const run = async (deed: () => Promise<Mistake[]>) => {
    setBusy(true);
    const found = await deed();
    setBusy(false);
    setMistakes(found);
    if (found.length === 0) close();
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(() => save(values));
  };
  const of = (name: string) => mistakes.find((m) => m.path?.startsWith(`input.${name}`))?.message;
  const general = mistakes.filter((m) => !fields.some((f) => f.kind !== 'rows' && m.path?.startsWith(`input.${f.name}`)));
  return (
    <Modal opened onClose={close} title={title} size={fields.some((f) => f.kind === 'rows') ? 'xl' : 'md'} centered>
      <form onSubmit={submit}>
        <Stack gap={10}>
          {fields.map((f) =>
            f.kind === 'rows' ? (
              <RowsField key={f.name} field={f} rows={rowsOf(values, f.name)} set={(rows) => setValues({ ...values, [f.name]: rows })} />
            ) : f.kind === 'lines' ? (
              <Textarea
                key={f.name}
                size="sm"
                label={f.label}
                description={f.hint ?? t('edit.lines')}
                required={f.required ?? false}
                autosize
                minRows={3}
                maxRows={12}
                value={text(values, f.name) === '' ? '' : String(values[f.name])}
                error={of(f.name)}
                onChange={(e) => setValues({ ...values, [f.name]: e.currentTarget.value })}
                styles={{ input: { fontVariantNumeric: 'tabular-nums', fontSize: 13 } }}
              />
            ) : (
              <SingleField key={f.name} field={f} value={values[f.name] as string | boolean | undefined} error={of(f.name)} labelled set={(v) => setValues({ ...values, [f.name]: v })} />
            ),
          )}
          {general.map((m) => (
            <Alert key={m.message} color="red" variant="light" py={8} role="alert">
              {m.message}
            </Alert>
          ))}
          <Group justify="space-between" gap={8}>
            {remove ? (
              <Button size="xs" variant="subtle" color="red" loading={busy && sure} onClick={() => (sure ? void run(remove) : setSure(true))}>
                {t(sure ? 'edit.sure' : 'edit.remove')}
              </Button>
            ) : (
              <span />
            )}
            <Group gap={8}>
              <Button size="xs" variant="default" onClick={close}>
                {t('common.cancel')}
              </Button>
              <Button size="xs" type="submit" loading={busy && !sure}>
                {t('edit.save')}
              </Button>
            </Group>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

interface SingleProps {
  field: Single;
  value: string | boolean | undefined;
  error?: string | undefined;
  labelled?: boolean;
  set: (value: string | boolean) => void;
}

function SingleField({ field, value, error, labelled, set }: SingleProps) {
  const size = labelled ? 'sm' : 'xs';
  const names = labelled ? { label: field.label, description: field.hint } : { 'aria-label': field.label };
  if (field.kind === 'check') {
    return <Checkbox size="xs" {...(labelled ? { label: field.label, description: field.hint } : { 'aria-label': field.label })} checked={value === true} disabled={field.fixed ?? false} onChange={(e) => set(e.currentTarget.checked)} />;
  }
  if (field.kind === 'select') {
    return <NativeSelect size={size} {...names} error={error} value={String(value ?? '')} data={field.options ?? []} disabled={field.fixed ?? false} onChange={(e) => set(e.currentTarget.value)} />;
  }
  const secret = field.kind === 'password' ? { type: 'password', autoComplete: 'new-password' } : {};
  return <TextInput size={size} {...secret} {...names} error={error} required={field.required ?? false} disabled={field.fixed ?? false} value={String(value ?? '')} onChange={(e) => set(e.currentTarget.value)} />;
}

/** Rows whose order counts: they can be added, taken away and moved up. */
function RowsField({ field, rows, set }: { field: Extract<Field, { kind: 'rows' }>; rows: Row[]; set: (rows: Row[]) => void }) {
  const { t } = useTexts();
  const empty = () => Object.fromEntries(field.columns.map((c) => [c.name, c.kind === 'check' ? false : (c.options?.[0]?.value ?? '')]));
  const put = (i: number, name: string, value: string | boolean) => set(rows.map((r, at) => (at === i ? { ...r, [name]: value } : r)));
  const up = (i: number) => set(rows.map((r, at) => (at === i - 1 ? rows[i]! : at === i ? rows[i - 1]! : r)));
  return (
    <fieldset className={classes.fieldset}>
      <legend>{field.label}</legend>
      {field.hint && (
        <Text fz="xs" c="dimmed">
          {field.hint}
        </Text>
      )}
      {rows.length > 0 && (
        <table className={classes.rows}>
          <thead>
            <tr>
              {field.columns.map((c) => (
                <th key={c.name} scope="col">
                  {c.label}
                </th>
              ))}
              <th />
            </tr>
          </thead>
          <tbody>
            {rows.map((row, i) => (
              <tr key={i}>
                {field.columns.map((c) => (
                  <td key={c.name}>
                    <SingleField field={{ ...c, label: `${c.label} ${i + 1}` }} value={row[c.name]} set={(v) => put(i, c.name, v)} />
                  </td>
                ))}
                <td>
                  <Group gap={2} wrap="nowrap">
                    <ActionIcon size="sm" variant="subtle" disabled={i === 0} aria-label={t('edit.up', { n: i + 1 })} onClick={() => up(i)}>
                      ↑
                    </ActionIcon>
                    <ActionIcon size="sm" variant="subtle" color="red" aria-label={t('edit.take', { n: i + 1 })} onClick={() => set(rows.filter((_, at) => at !== i))}>
                      ×
                    </ActionIcon>
                  </Group>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <Button size="compact-xs" variant="default" onClick={() => set([...rows, empty()])}>
        {t('edit.add')}
      </Button>
    </fieldset>
  );
}
