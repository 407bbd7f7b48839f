import { Button } from '@mantine/core';

interface Props {
  /** A list of the API: the path of its fields, as "account.entries". */
  list: string;
  query?: Record<string, unknown>;
}

/** The same rows as a file, with amounts and times as a spreadsheet takes them. */
export function Export({ list, query }: Props) {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) if (value !== undefined && value !== '') params.set(name, String(value));
  params.set('zone', Intl.DateTimeFormat().resolvedOptions().timeZone);
  return (
    <>
      {['csv', 'xlsx'].map((kind) => (
        <Button key={kind} component="a" href={`/export/list/${list}.${kind}?${params}`} download size="compact-sm" variant="default">
          {kind.toUpperCase()}
        </Button>
      ))}
    </>
  );
}
