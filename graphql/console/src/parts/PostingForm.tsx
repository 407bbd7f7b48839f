import { Alert, Button, Group, Modal, NativeSelect, Stack, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { useMutation } from 'urql';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { newKey } from './key';

const PostMutation = graphql(`
  mutation Post($input: AccountPostInput!) {
    accountPost(input: $input) {
      position
      userErrors {
        message
        path
      }
    }
  }
`);

const kinds = {
  credit: ['CREDIT', 'CREDIT_NOTE', 'ADJUSTMENT'],
  debit: ['DEBIT', 'FORCED_DEBIT', 'DEBIT_NOTE', 'ADJUSTMENT'],
} as const;
type PostingKind = (typeof kinds)['credit' | 'debit'][number];

interface Props {
  kind: 'credit' | 'debit';
  account: string;
  currency: string;
  close: () => void;
}

/** Books a payment, a note or an adjustment; an adjustment on the debit side is negative. The key is made once, so that a repeated click books once. */
export function PostingForm({ kind, account, currency, close }: Props) {
  const { t } = useTexts();
  const [posted, post] = useMutation(PostMutation);
  const [chosen, setChosen] = useState<PostingKind>(kinds[kind][0]);
  const [idempotencyKey] = useState(newKey);
  const [amount, setAmount] = useState('');
  const [reason, setReason] = useState('');
  const [reference, setReference] = useState('');
  const payload = posted.data?.accountPost;
  const failure = posted.error;
  const mistakes = payload?.userErrors ?? [];
  const of = (path: string) => mistakes.find((m) => m.path?.startsWith(`input.${path}`))?.message;
  const general = failure?.graphQLErrors[0]?.message ?? failure?.message ?? mistakes.find((m) => !m.path || !/^input\.(amount|reason)/.test(m.path))?.message;

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const plain = amount.replace(',', '.').trim();
    const signed = kind === 'debit' && chosen === 'ADJUSTMENT' ? `-${plain}` : plain;
    await post({ input: { idempotencyKey, account: `account:${account}`, kind: chosen, amount: { amount: signed, currency }, reason, reference } });
  };
  return (
    <Modal opened onClose={close} title={t(kind === 'credit' ? 'account.creditTitle' : 'account.debitTitle', { account })} size="sm" centered>
      {payload?.position ? (
        <Stack gap={12}>
          <Alert color="green" variant="light" py={8}>
            {t('account.done', { position: payload.position })}
          </Alert>
          <Group justify="flex-end">
            <Button size="xs" onClick={close} data-autofocus>
              {t('common.close')}
            </Button>
          </Group>
        </Stack>
      ) : (
        <form onSubmit={(e) => void submit(e)}>
          <Stack gap={10}>
            <NativeSelect
              size="sm"
              label={t('entry.kind')}
              value={chosen}
              data={kinds[kind].map((k) => ({ value: k, label: t(`entry.${k}`) }))}
              onChange={(e) => setChosen(kinds[kind].find((k) => k === e.currentTarget.value) ?? kinds[kind][0])}
            />
            <TextInput
              size="sm"
              label={t('account.amount')}
              inputMode="decimal"
              required
              data-autofocus
              rightSection={<span style={{ fontSize: 12 }}>{currency}</span>}
              rightSectionWidth={46}
              value={amount}
              error={of('amount')}
              onChange={(e) => setAmount(e.currentTarget.value)}
            />
            <TextInput size="sm" label={t('account.reason')} description={t('account.reasonHint')} required value={reason} error={of('reason')} onChange={(e) => setReason(e.currentTarget.value)} />
            <TextInput size="sm" label={t('account.reference')} value={reference} onChange={(e) => setReference(e.currentTarget.value)} />
            {general && (
              <Alert color="red" variant="light" py={8}>
                {general}
              </Alert>
            )}
            <Group justify="flex-end" gap={8}>
              <Button size="xs" variant="default" onClick={close}>
                {t('common.cancel')}
              </Button>
              <Button size="xs" type="submit" loading={posted.fetching}>
                {t(kind === 'credit' ? 'account.credit' : 'account.debit')}
              </Button>
            </Group>
          </Stack>
        </form>
      )}
    </Modal>
  );
}
