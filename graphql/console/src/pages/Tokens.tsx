import { Button, Code, Group, Modal, Text } from '@mantine/core';
import { useState } from 'react';
import { useMutation, useQuery } from 'urql';
import { graphql, type ResultOf } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { DataTable } from '../parts/DataTable';
import { EditForm, lines, mistakesOf, text, type Values } from '../parts/EditForm';
import { fullTime } from '../parts/format';
import { Page, Tag } from '../parts/Page';
import { instant } from './cdrSearch';

const TokensQuery = graphql(`
  query Tokens {
    tokens(first: 500) {
      nodes {
        id
        key
        name
        role
        company {
          key
        }
        expiresAt
        revoked
        scopes
        networks
        pointsPerMinute
        lastUsedAt
        lastUsedFrom
      }
    }
  }
`);

const CreateMutation = graphql(`
  mutation TokenCreate($input: TokenCreateInput!) {
    tokenCreate(input: $input) {
      secret
      userErrors {
        message
        path
      }
    }
  }
`);

const RevokeMutation = graphql(`
  mutation TokenRevoke($input: RemoveInput!) {
    tokenRevoke(input: $input) {
      token {
        id
      }
      userErrors {
        message
      }
    }
  }
`);

type Token = ResultOf<typeof TokensQuery>['tokens']['nodes'][number];

const scopes = ['BALANCES', 'CDRS', 'RECORDINGS', 'RATES', 'LIVE', 'PEERS', 'EVENTS', 'METRICS', 'TOKENS'] as const satisfies readonly Token['scopes'][number][];
const roles = ['PARTNER', 'FINANCE', 'NOC', 'ADMIN'] as const satisfies readonly Token['role'][];

/** The tokens of programs: they are made here, shown once, and taken back. */
export function Tokens() {
  const { t } = useTexts();
  const [{ data, error, fetching }, again] = useQuery({ query: TokensQuery });
  const [creating, setCreating] = useState(false);
  const [secret, setSecret] = useState('');
  const [revoking, setRevoking] = useState<Token | null>(null);
  const refresh = () => again({ requestPolicy: 'network-only' });
  const now = new Date().toISOString();
  const ended = (x: Token) => x.revoked || (x.expiresAt !== null && x.expiresAt <= now);
  return (
    <Page
      title={t('nav.tokens')}
      error={error}
      loading={fetching}
      actions={
        <Button size="compact-sm" onClick={() => setCreating(true)}>
          {t('tokens.create')}
        </Button>
      }
    >
      <DataTable
        label={t('nav.tokens')}
        rows={data?.tokens.nodes ?? []}
        rowKey={(x) => x.id}
        loading={fetching}
        faded={ended}
        columns={[
          { id: 'key', title: t('company.key'), cell: (x) => x.key },
          { id: 'name', title: t('company.name'), cell: (x) => x.name },
          { id: 'role', title: t('tokens.role'), cell: (x) => `${x.role}${x.company ? ` · ${x.company.key}` : ''}` },
          { id: 'scopes', title: t('tokens.scopes'), cell: (x) => (x.scopes.length ? x.scopes.join(' ') : t('tokens.everything')) },
          { id: 'networks', title: t('tokens.networks'), cell: (x) => (x.networks.length ? x.networks.join(' ') : t('tokens.anywhere')) },
          { id: 'points', title: t('tokens.points'), right: true, cell: (x) => x.pointsPerMinute || '' },
          { id: 'expires', title: t('tokens.expires'), cell: (x) => (x.expiresAt ? fullTime(x.expiresAt) : t('tokens.never')) },
          { id: 'used', title: t('tokens.used'), cell: (x) => (x.lastUsedAt ? `${fullTime(x.lastUsedAt)} ${x.lastUsedFrom ?? ''}` : '') },
          {
            id: 'state',
            title: '',
            right: true,
            cell: (x) =>
              ended(x) ? (
                <Tag tone="bad">{t(x.revoked ? 'tokens.revoked' : 'tokens.expired')}</Tag>
              ) : (
                <Button size="compact-xs" variant="subtle" color="red" c="var(--bad)" onClick={() => setRevoking(x)}>
                  {t('tokens.revoke')}
                </Button>
              ),
          },
        ]}
      />
      {creating && <TokenForm close={() => setCreating(false)} made={(made) => (setSecret(made), refresh())} />}
      {secret && <Secret secret={secret} close={() => setSecret('')} />}
      {revoking && <Revoke token={revoking} close={() => (setRevoking(null), refresh())} />}
    </Page>
  );
}

function TokenForm({ close, made }: { close: () => void; made: (secret: string) => void }) {
  const { t } = useTexts();
  const [, create] = useMutation(CreateMutation);
  const save = async (v: Values) => {
    const points = text(v, 'pointsPerMinute');
    if (!/^\d*$/.test(points)) return [{ message: t('guard.numberWrong'), path: 'input.pointsPerMinute' }];
    const at = instant(text(v, 'expiresAt'));
    const answer = await create({
      input: {
        key: text(v, 'key'),
        name: text(v, 'name'),
        role: roles.find((r) => r === v['role']) ?? 'PARTNER',
        ...(text(v, 'company') ? { company: text(v, 'company') } : {}),
        scopes: scopes.filter((s) => v[s] === true),
        networks: lines(v, 'networks'),
        pointsPerMinute: Number(points || '0'),
        ...(at ? { expiresAt: at } : {}),
      },
    });
    const secret = answer.data?.tokenCreate.secret;
    if (secret) made(secret);
    return mistakesOf(answer.error, answer.data?.tokenCreate.userErrors);
  };
  return (
    <EditForm
      title={t('tokens.create')}
      initial={{ key: '', name: '', role: 'PARTNER', company: '', networks: '', pointsPerMinute: '', expiresAt: '' }}
      save={save}
      close={close}
      fields={[
        { name: 'key', label: t('company.key'), kind: 'text', required: true },
        { name: 'name', label: t('tokens.purpose'), kind: 'text' },
        { name: 'role', label: t('tokens.role'), kind: 'select', options: roles.map((r) => ({ value: r, label: r })) },
        { name: 'company', label: t('account.company'), kind: 'text', hint: t('tokens.companyHint') },
        ...scopes.map((s) => ({ name: s, label: `${s}: ${t(`tokens.${s}`)}`, kind: 'check' as const })),
        { name: 'networks', label: t('tokens.networks'), kind: 'lines', hint: t('tokens.networksHint') },
        { name: 'pointsPerMinute', label: t('tokens.points'), kind: 'text', hint: t('tokens.pointsHint') },
        { name: 'expiresAt', label: t('tokens.expires'), kind: 'text', hint: t('tokens.expiresHint') },
      ]}
    />
  );
}

/** The secret of a new token: nobody can show it again. */
function Secret({ secret, close }: { secret: string; close: () => void }) {
  const { t } = useTexts();
  return (
    <Modal opened onClose={close} title={t('tokens.secret')} size="lg" centered closeOnClickOutside={false}>
      <Text fz="sm">{t('tokens.once')}</Text>
      <Code block mt={8} data-secret>
        {secret}
      </Code>
      <Group justify="flex-end" mt={16}>
        <Button size="xs" onClick={close}>
          {t('tokens.kept')}
        </Button>
      </Group>
    </Modal>
  );
}

function Revoke({ token, close }: { token: Token; close: () => void }) {
  const { t } = useTexts();
  const [result, revoke] = useMutation(RevokeMutation);
  const mistake = result.data?.tokenRevoke.userErrors[0]?.message ?? result.error?.message;
  const run = async () => {
    const answer = await revoke({ input: { id: token.id } });
    if (answer.data?.tokenRevoke.token) close();
  };
  return (
    <Modal opened onClose={close} title={t('tokens.revoke')} size="sm" centered>
      <Text fz="sm">{t('tokens.revokeSure', { key: token.key })}</Text>
      {mistake && (
        <Text fz="sm" c="red" mt={8} role="alert">
          {mistake}
        </Text>
      )}
      <Group justify="flex-end" mt={16} gap={8}>
        <Button size="xs" variant="default" onClick={close}>
          {t('common.cancel')}
        </Button>
        <Button size="xs" color="red" loading={result.fetching} onClick={() => void run()}>
          {t('tokens.revoke')}
        </Button>
      </Group>
    </Modal>
  );
}
