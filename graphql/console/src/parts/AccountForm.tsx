import { useMutation } from 'urql';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { EditForm, type Field, lines, mistakesOf, text, type Values } from './EditForm';
import { keyOf } from './format';

const PutAccount = graphql(`
  mutation PutAccount($input: AccountPutInput!) {
    accountPut(input: $input) {
      userErrors {
        message
        path
      }
    }
  }
`);

interface Account {
  key: string;
  name: string;
  kind: 'CUSTOMER' | 'VENDOR';
  currency: string;
  creditLimit: { amount: string };
  channels: number;
  callsPerSecond: number;
  disabled: boolean;
  cutOff: boolean;
  packageId: string | null;
  packagePrefixes: readonly string[];
  version: string;
}

/** An account's limits and its package. What belongs to the other kinds is not asked for. */
export function AccountForm({ of, close }: { of: Account; close: () => void }) {
  const { t } = useTexts();
  const [, put] = useMutation(PutAccount);
  const seconds = of.currency === 'SEC';
  const vendor = of.kind === 'VENDOR';
  const fields: Field[] = [
    { name: 'name', label: t('company.name'), kind: 'text' },
    { name: 'creditLimit', label: t('account.limit'), kind: 'text', required: true },
  ];
  if (seconds) fields.push({ name: 'packagePrefixes', label: t('account.prefixes'), kind: 'lines' });
  else {
    fields.push({ name: 'channels', label: t('account.channels'), kind: 'text' }, { name: 'callsPerSecond', label: t('account.cps'), kind: 'text' });
    fields.push(vendor ? { name: 'cutOff', label: t('account.cutOff'), kind: 'check' } : { name: 'package', label: t('account.package'), kind: 'text', hint: t('account.packageHint') });
  }
  fields.push({ name: 'disabled', label: t('company.disabled'), kind: 'check' });
  const save = async (v: Values) => {
    const own = seconds
      ? { packagePrefixes: lines(v, 'packagePrefixes') }
      : {
          channels: Number(text(v, 'channels')) || 0,
          callsPerSecond: Number(text(v, 'callsPerSecond')) || 0,
          ...(vendor ? { cutOff: v.cutOff === true } : { package: text(v, 'package') ? `account:${text(v, 'package')}` : null }),
        };
    const answer = await put({
      input: { key: of.key, name: text(v, 'name'), creditLimit: text(v, 'creditLimit'), disabled: v.disabled === true, expectedVersion: of.version, ...own },
    });
    return mistakesOf(answer.error, answer.data?.accountPut.userErrors);
  };
  return (
    <EditForm
      title={`${t('account.account')} ${of.key}`}
      fields={fields}
      initial={{
        name: of.name,
        creditLimit: of.creditLimit.amount,
        channels: String(of.channels),
        callsPerSecond: String(of.callsPerSecond),
        package: keyOf(of.packageId),
        packagePrefixes: of.packagePrefixes.join('\n'),
        cutOff: of.cutOff,
        disabled: of.disabled,
      }}
      save={save}
      close={close}
    />
  );
}
