import { Link } from '@tanstack/react-router';
import { useTexts } from '../i18n/i18n';
import { Amount } from './Amount';
import { type Column, DataTable } from './DataTable';
import { fullTime, keyOf } from './format';
import classes from './parts.module.css';

interface Money {
  amount: string;
  currency: string;
}

export interface EntryRow {
  id: string;
  position: string;
  accountName: string;
  kind: 'CREDIT' | 'DEBIT' | 'FORCED_DEBIT' | 'REVERSAL' | 'TRANSFER' | 'CREDIT_NOTE' | 'DEBIT_NOTE' | 'ADJUSTMENT' | 'CHARGE' | 'OFFLINE';
  amount: Money;
  balance: Money;
  recordedAt: string;
  actor: string;
  reason: string;
  reference: string;
  callId: string | null;
  reverses?: string | null;
  reversedBy?: string | null;
  late?: boolean;
}

/** Movements of money with the balance after each. */
export function EntryTable({ rows, withAccount, maxHeight }: { rows: readonly EntryRow[]; withAccount?: boolean; maxHeight?: string }) {
  const { t } = useTexts();
  const columns: Column<EntryRow>[] = [
    { id: 'position', title: t('entry.position'), right: true, cell: (e) => e.position },
    { id: 'recorded', title: t('entry.recorded'), cell: (e) => fullTime(e.recordedAt) },
    { id: 'kind', title: t('entry.kind'), cell: (e) => t(`entry.${e.kind}`) + (e.late ? ` (${t('entry.late')})` : '') },
    { id: 'reason', title: t('entry.text'), cell: (e) => <Reason entry={e} /> },
    { id: 'actor', title: t('entry.actor'), cell: (e) => e.actor },
    { id: 'amount', title: t('entry.amount'), right: true, cell: (e) => <Amount money={e.amount} sign /> },
    { id: 'balance', title: t('entry.balance'), right: true, cell: (e) => <Amount money={e.balance} currency={false} /> },
  ];
  if (withAccount) columns.splice(3, 1); // the call's own page needs no link to itself
  if (withAccount) columns.splice(1, 0, { id: 'account', title: t('account.account'), cell: (e) => <Account name={e.accountName} /> });
  return <DataTable label={t('account.entries')} rows={rows} rowKey={(e) => e.id} columns={columns} {...(maxHeight ? { maxHeight } : {})} />;
}

function Reason({ entry }: { entry: EntryRow }) {
  const { t } = useTexts();
  if (!entry.callId) {
    const links = [entry.reverses && t('entry.reverses', { position: entry.reverses }), entry.reversedBy && t('entry.reversedBy', { position: entry.reversedBy })];
    return [entry.reason, entry.reference, ...links].filter(Boolean).join(' · ');
  }
  const key = keyOf(entry.callId);
  return (
    <Link className={classes.link} to="/calls/$id" params={{ id: key }}>
      {key}
    </Link>
  );
}

function Account({ name }: { name: string }) {
  if (name.startsWith('own/')) return name;
  return (
    <Link className={classes.link} to="/accounts/$key" params={{ key: name }} search={{}}>
      {name}
    </Link>
  );
}
