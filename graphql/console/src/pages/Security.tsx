import { Alert, Button, Code, Group, PasswordInput, Stack, Text, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { encode } from 'uqr';
import { useMutation, useQuery } from 'urql';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { Page, Section } from '../parts/Page';
import { useSession, ViewerQuery } from '../session';

const BeginMutation = graphql(`
  mutation SecondFactorBegin($input: SecondFactorBeginInput!) {
    secondFactorBegin(input: $input) {
      secret
      uri
      userErrors {
        message
      }
    }
  }
`);

const ConfirmMutation = graphql(`
  mutation SecondFactorConfirm($input: SecondFactorConfirmInput!) {
    secondFactorConfirm(input: $input) {
      recoveryCodes
      userErrors {
        message
      }
    }
  }
`);

/** A text as a QR code: one path of squares, dark on white in either theme. */
function QRCode({ text, label }: { text: string; label: string }) {
  const { data, size } = encode(text, { border: 4 });
  const path = data.flatMap((row, y) => row.flatMap((dark, x) => (dark ? [`M${x} ${y}h1v1h-1z`] : []))).join('');
  return (
    <svg role="img" aria-label={label} viewBox={`0 0 ${size} ${size}`} width={220} height={220} shapeRendering="crispEdges">
      <rect width={size} height={size} fill="#fff" />
      <path d={path} fill="#000" />
    </svg>
  );
}

/** Sets a second factor up: password, QR code, first code, recovery codes. */
export function SecurityPanel({ changed }: { changed: () => void }) {
  const { t } = useTexts();
  const { viewer } = useSession();
  const factor = viewer.secondFactor;
  const [begun, begin] = useMutation(BeginMutation);
  const [confirmed, confirm] = useMutation(ConfirmMutation);
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const made = begun.data?.secondFactorBegin;
  const codes = confirmed.data?.secondFactorConfirm.recoveryCodes ?? [];
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const then = () => setCode('');
    if (made?.uri) void confirm({ input: { code } }).then(then);
    else void begin({ input: { password, ...(code ? { code } : {}) } }).then(then);
  };
  const state = made?.uri ? confirmed : begun;
  const mistake = (made?.uri ? confirmed.data?.secondFactorConfirm : made)?.userErrors[0]?.message ?? state.error?.message;
  if (codes.length > 0) {
    return (
      <Stack gap={10} p="md" maw={460}>
        <Text>{t('security.recovery')}</Text>
        <Code block>{codes.join('\n')}</Code>
        <Button onClick={changed}>{t('security.done')}</Button>
      </Stack>
    );
  }
  return (
    <Stack component="form" onSubmit={submit} gap={10} p="md" maw={460}>
      <Text fz="sm">{factor?.on ? t('security.on', { left: factor.recoveryCodes }) : t(factor?.required ? 'security.required' : 'security.off')}</Text>
      {made?.uri && made.secret ? (
        <>
          <Text fz="sm">{t('security.scan')}</Text>
          <QRCode text={made.uri} label={t('security.qr')} />
          <Code>{made.secret}</Code>
          <TextInput label={t('security.code')} autoComplete="one-time-code" required autoFocus value={code} onChange={(e) => setCode(e.currentTarget.value)} />
        </>
      ) : (
        <>
          <PasswordInput label={t('security.password')} autoComplete="current-password" required value={password} onChange={(e) => setPassword(e.currentTarget.value)} />
          {factor?.on && <TextInput label={t('security.current')} autoComplete="one-time-code" required value={code} onChange={(e) => setCode(e.currentTarget.value)} />}
        </>
      )}
      {mistake && (
        <Alert color="red" variant="light" py={8}>
          {mistake}
        </Alert>
      )}
      <Group>
        <Button type="submit" loading={state.fetching}>
          {made?.uri ? t('security.confirm') : t(factor?.on ? 'security.again' : 'security.begin')}
        </Button>
      </Group>
    </Stack>
  );
}

export function Security() {
  const { t } = useTexts();
  const [, again] = useQuery({ query: ViewerQuery });
  return (
    <Page title={t('security.title')}>
      <Section title={t('signIn.code')}>
        <SecurityPanel changed={() => again({ requestPolicy: 'network-only' })} />
      </Section>
    </Page>
  );
}
