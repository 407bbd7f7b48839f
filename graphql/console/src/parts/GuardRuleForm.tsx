import { useMutation } from 'urql';
import { graphql, type ResultOf } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { EditForm, lines, mistakesOf, text, type Values } from './EditForm';
import { keyOf } from './format';
import { parseHours, showHours } from './hours';

export const RulesQuery = graphql(`
  query GuardRules {
    guardFull
    guardRules(first: 500) {
      nodes {
        id
        key
        name
        disabled
        accountIds
        exceptAccountIds
        prefixes
        priceFrom
        currency
        hours {
          fromMinute
          toMinute
        }
        timeZone
        measure
        window
        calls
        amount
        action
        block
        version
      }
    }
  }
`);

const PutRule = graphql(`
  mutation PutGuardRule($input: GuardRulePutInput!) {
    guardRulePut(input: $input) {
      userErrors {
        message
        path
      }
    }
  }
`);

const RemoveRule = graphql(`
  mutation RemoveGuardRule($input: RemoveInput!) {
    guardRuleRemove(input: $input) {
      userErrors {
        message
      }
    }
  }
`);

export type Rule = ResultOf<typeof RulesQuery>['guardRules']['nodes'][number];

const measures = ['CALLS_TO_NUMBER', 'CALLS_TO_DESTINATION', 'SPEND_ON_DESTINATION', 'NEW_DESTINATION', 'EVERY_CALL'] as const;
const actions = ['ALERT', 'BLOCK'] as const;

// A decimal of the API without the zeros at its end; empty for none.
const short = (decimal: string) => (/^0\.?0*$/.test(decimal) ? '' : decimal.replace(/\.?0+$/, ''));

/** Which calls a rule judges, in a line. */
export function ruleLines(g: Rule): string {
  return [
    g.accountIds.map(keyOf).join(', '),
    g.exceptAccountIds.length > 0 && `≠ ${g.exceptAccountIds.map(keyOf).join(', ')}`,
    g.prefixes.slice(0, 20).join(', ') + (g.prefixes.length > 20 ? ' …' : ''),
    short(g.priceFrom) && `≥ ${short(g.priceFrom)} ${g.currency ?? ''}`,
    showHours(g.hours),
  ]
    .filter(Boolean)
    .join(' · ');
}

/** A rule that looks out for fraud. */
export function GuardRuleForm({ of, close, changed }: { of: Rule | null; close: () => void; changed: () => void }) {
  const { t } = useTexts();
  const [, put] = useMutation(PutRule);
  const [, drop] = useMutation(RemoveRule);
  const save = async (v: Values) => {
    const hours = parseHours(text(v, 'hours'));
    if (!hours) return [{ message: t('guard.hoursWrong'), path: 'input.hours' }];
    const whole = (name: string) => Number(text(v, name) || '0');
    for (const name of ['window', 'calls', 'block']) {
      if (!/^\d*$/.test(text(v, name))) return [{ message: t('guard.numberWrong'), path: `input.${name}` }];
    }
    const decimal = (name: string) => text(v, name).replace(',', '.') || '0';
    const answer = await put({
      input: {
        key: text(v, 'key'),
        name: text(v, 'name'),
        disabled: v['disabled'] === true,
        accounts: lines(v, 'accounts'),
        exceptAccounts: lines(v, 'exceptAccounts'),
        prefixes: lines(v, 'prefixes'),
        priceFrom: decimal('priceFrom'),
        currency: text(v, 'currency').toUpperCase() || null,
        hours,
        timeZone: text(v, 'timeZone'),
        measure: measures.find((m) => m === v['measure']) ?? 'CALLS_TO_NUMBER',
        window: whole('window'),
        calls: whole('calls'),
        amount: decimal('amount'),
        action: actions.find((a) => a === v['action']) ?? 'ALERT',
        block: whole('block'),
        expectedVersion: of?.version ?? '0',
      },
    });
    changed();
    return mistakesOf(answer.error, answer.data?.guardRulePut.userErrors);
  };
  const remove = async () => {
    const answer = await drop({ input: { id: of!.id } });
    changed();
    return mistakesOf(answer.error, answer.data?.guardRuleRemove.userErrors);
  };
  const number = (n: number | undefined) => (n ? String(n) : '');
  return (
    <EditForm
      title={`${t('guard.rule')} ${of?.key ?? ''}`}
      initial={{
        key: of?.key ?? '',
        name: of?.name ?? '',
        disabled: of?.disabled ?? false,
        measure: of?.measure ?? 'CALLS_TO_NUMBER',
        calls: number(of?.calls),
        amount: short(of?.amount ?? '0'),
        window: String(of?.window ?? 3600),
        action: of?.action ?? 'ALERT',
        block: number(of?.block),
        accounts: of?.accountIds.map(keyOf).join('\n') ?? '',
        exceptAccounts: of?.exceptAccountIds.map(keyOf).join('\n') ?? '',
        prefixes: of?.prefixes.join('\n') ?? '',
        priceFrom: short(of?.priceFrom ?? '0'),
        currency: of?.currency ?? '',
        hours: showHours(of?.hours ?? []),
        timeZone: of?.timeZone ?? '',
      }}
      save={save}
      {...(of ? { remove } : {})}
      close={close}
      fields={[
        { name: 'key', label: t('company.key'), kind: 'text', required: true, fixed: of !== null },
        { name: 'name', label: t('company.name'), kind: 'text' },
        { name: 'disabled', label: t('guard.disabled'), kind: 'check' },
        { name: 'measure', label: t('guard.measure'), kind: 'select', options: measures.map((m) => ({ value: m, label: t(`guard.${m}`) })) },
        { name: 'calls', label: t('guard.calls'), kind: 'text', hint: t('guard.callsHint') },
        { name: 'amount', label: t('guard.amount'), kind: 'text', hint: t('guard.amountHint') },
        { name: 'window', label: t('guard.windowSeconds'), kind: 'text', required: true, hint: t('guard.windowHint') },
        { name: 'action', label: t('guard.action'), kind: 'select', options: actions.map((a) => ({ value: a, label: t(`guard.${a}`) })) },
        { name: 'block', label: t('guard.block'), kind: 'text', hint: t('guard.blockHint') },
        { name: 'accounts', label: t('guard.accounts'), kind: 'lines', hint: t('guard.accountsHint') },
        { name: 'exceptAccounts', label: t('guard.exceptAccounts'), kind: 'lines', hint: t('guard.exceptHint') },
        { name: 'prefixes', label: t('guard.prefixes'), kind: 'lines' },
        { name: 'priceFrom', label: t('guard.priceFrom'), kind: 'text', hint: t('guard.priceHint') },
        { name: 'currency', label: t('guard.currency'), kind: 'text' },
        { name: 'hours', label: t('route.hours'), kind: 'text', hint: t('guard.hoursHint') },
        { name: 'timeZone', label: t('guard.zone'), kind: 'text', hint: 'Europe/Berlin' },
      ]}
    />
  );
}
