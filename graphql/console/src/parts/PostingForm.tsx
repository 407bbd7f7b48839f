import { Alert, Button, Checkbox, Group, Modal, Stack, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { useMutation } from 'urql';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';

const CreditMutation = graphql(`
  mutation Credit($input: AccountCreditInput!) {
    accountCredit(input: $input) {
      position
      userErrors {
        message
        path
      }
    }
  }
`);

const DebitMutation = graphql(`
  mutation Debit($input: AccountDebitInput!) {
    accountDebit(input: $input) {
      position
      userErrors {
        message
        path
      }
    }
  }
`);

interface Props {
  kind: 'credit' | 'debit';
  account: string;
  currency: string;
  close: () => void;
}

/** Credits or debits an account. The key is made once, so that a repeated click books once. */
export function PostingForm({ kind, account, currency, close }: Props) {
  const { t } = useTexts();
  const [credited, credit] = useMutation(CreditMutation);
  const [debited, debit] = useMutation(DebitMutation);
  const [idempotencyKey] = useState(newKey);
  const [amount, setAmount] = useState('');
  const [reason, setReason] = useState('');
  const [reference, setReference] = useState('');
  const [forced, setForced] = useState(false);
  const payload = credited.data?.accountCredit ?? debited.data?.accountDebit;
  const failure = credited.error ?? debited.error;
  const mistakes = payload?.userErrors ?? [];
  const of = (path: string) => mistakes.find((m) => m.path?.startsWith(`input.${path}`))?.message;
  const general = failure?.graphQLErrors[0]?.message ?? failure?.message ?? mistakes.find((m) => !m.path || !/^input\.(amount|reason)/.test(m.path))?.message;

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const input = { idempotencyKey, account: `account:${account}`, amount: { amount: amount.replace(',', '.').trim(), currency }, reason, reference };
    if (kind === 'credit') await credit({ input });
    else await debit({ input: { ...input, forced } });
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
            {kind === 'debit' && <Checkbox size="xs" label={t('account.forced')} checked={forced} onChange={(e) => setForced(e.currentTarget.checked)} />}
            {general && (
              <Alert color="red" variant="light" py={8}>
                {general}
              </Alert>
            )}
            <Group justify="flex-end" gap={8}>
              <Button size="xs" variant="default" onClick={close}>
                {t('common.cancel')}
              </Button>
              <Button size="xs" type="submit" loading={credited.fetching || debited.fetching}>
                {t(kind === 'credit' ? 'account.credit' : 'account.debit')}
              </Button>
            </Group>
          </Stack>
        </form>
      )}
    </Modal>
  );
}

/** crypto.randomUUID needs a secure context; the console also runs on plain HTTP. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `console-${Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('')}`;
}
