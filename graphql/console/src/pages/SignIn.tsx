import { Alert, Button, Center, Paper, PasswordInput, Stack, Text, TextInput, Title } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { useMutation } from 'urql';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';

const SignInMutation = graphql(`
  mutation SignIn($input: SignInInput!) {
    signIn(input: $input) {
      viewer {
        actor
      }
      codeNeeded
      userErrors {
        message
      }
    }
  }
`);

export function SignIn({ done }: { done: () => void }) {
  const { t } = useTexts();
  const [state, signIn] = useMutation(SignInMutation);
  const [user, setUser] = useState('');
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const result = await signIn({ input: { user, password, ...(code ? { code } : {}) } });
    if (result.data?.signIn.viewer) done();
  };
  const answer = state.data?.signIn;
  const asksCode = code !== '' || answer?.codeNeeded === true;
  const mistake = state.data?.signIn.userErrors[0]?.message ?? state.error?.message;
  return (
    <Center mih="100vh" p="md">
      <Paper component="form" onSubmit={submit} withBorder radius={6} p={28} w={340}>
        <Stack gap={14}>
          <div>
            <Title order={1} fz={22} fw={650}>
              {t('app.name')}
            </Title>
            <Text fz="sm" c="dimmed">
              {t('signIn.tagline')}
            </Text>
          </div>
          <TextInput label={t('signIn.user')} name="user" autoComplete="username" required autoFocus value={user} onChange={(e) => setUser(e.currentTarget.value)} />
          <PasswordInput
            label={t('signIn.password')}
            name="password"
            autoComplete="current-password"
            required
            value={password}
            onChange={(e) => setPassword(e.currentTarget.value)}
          />
          {asksCode && (
            <TextInput
              label={t('signIn.code')}
              description={t('signIn.codeHint')}
              name="code"
              autoComplete="one-time-code"
              required
              autoFocus
              value={code}
              onChange={(e) => setCode(e.currentTarget.value)}
            />
          )}
          {mistake && (
            <Alert color="red" variant="light" py={8}>
              {mistake}
            </Alert>
          )}
          <Button type="submit" loading={state.fetching} fullWidth>
            {t('signIn.submit')}
          </Button>
        </Stack>
      </Paper>
    </Center>
  );
}
