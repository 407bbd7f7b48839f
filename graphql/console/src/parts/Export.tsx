import { Alert, Button } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { useMutation } from 'urql';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';

interface Props {
  /** A list of the API: the path of its fields, as "account.entries". */
  list: string;
  query?: Record<string, unknown>;
}

const Start = graphql(`
  mutation StartJob($input: JobStartInput!) {
    jobStart(input: $input) {
      userErrors {
        message
      }
    }
  }
`);

/** The same rows as a file, with amounts and times as a spreadsheet takes them: at once, or by a job. */
export function Export({ list, query }: Props) {
  const { t } = useTexts();
  const navigate = useNavigate();
  const [{ fetching }, start] = useMutation(Start);
  const [said, setSaid] = useState('');
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) if (value !== undefined && value !== '') params.set(name, String(value));
  params.set('zone', Intl.DateTimeFormat().resolvedOptions().timeZone);
  const later = async () => {
    const parameters = [...params].map(([name, value]) => ({ name, value }));
    const { data, error } = await start({ input: { list, parameters, format: 'CSV' } });
    const mistake = error?.message ?? data?.jobStart.userErrors[0]?.message;
    if (mistake) setSaid(mistake);
    else await navigate({ to: '/jobs' });
  };
  return (
    <>
      {['csv', 'xlsx'].map((kind) => (
        <Button key={kind} component="a" href={`/export/list/${list}.${kind}?${params}`} download size="compact-sm" variant="default">
          {kind.toUpperCase()}
        </Button>
      ))}
      <Button size="compact-sm" variant="default" loading={fetching} title={t('job.laterAbout')} onClick={() => void later()}>
        {t('job.later')}
      </Button>
      {said && (
        <Alert color="red" variant="light" py={4} role="status">
          {said}
        </Alert>
      )}
    </>
  );
}
