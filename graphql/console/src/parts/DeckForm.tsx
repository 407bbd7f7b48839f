import { useMutation } from 'urql';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { EditForm, mistakesOf, rowsOf, text, type Values } from './EditForm';
import { parseHours, showHours, type Span } from './hours';

const PutDeck = graphql(`
  mutation PutDeck($input: DeckPutInput!) {
    deckPut(input: $input) {
      userErrors {
        message
        path
      }
    }
  }
`);

interface Deck {
  key: string;
  name: string;
  currency: string;
  rounding: 'HALF_UP' | 'UP' | 'DOWN' | 'HALF_EVEN';
  decimals: number;
  taxRate: string;
  taxInclusive: boolean;
  timeZone: string;
  bands: readonly { name: string; hours: readonly Span[] }[];
  bandsSplit: boolean;
  noticeDays: number;
  company: { key: string } | null;
  version: string;
}

const modes = ['HALF_UP', 'UP', 'DOWN', 'HALF_EVEN'] as const;

/** A deck's own settings: currency, rounding, tax, bands, notice. */
export function DeckForm({ of, close, changed }: { of: Deck | null; close: () => void; changed: () => void }) {
  const { t } = useTexts();
  const [, put] = useMutation(PutDeck);
  const save = async (v: Values) => {
    const bands = rowsOf(v, 'bands').map((b) => ({ name: text(b, 'name'), hours: parseHours(text(b, 'hours')) }));
    const wrong = bands.find((b) => !b.hours);
    if (wrong) return [{ message: t('deck.hoursWrong', { name: wrong.name }) }];
    const company = text(v, 'company');
    const answer = await put({
      input: {
        key: text(v, 'key'),
        name: text(v, 'name'),
        company: company || null,
        currency: text(v, 'currency').toUpperCase(),
        rounding: modes.find((m) => m === v['rounding']) ?? 'HALF_UP',
        decimals: Number(text(v, 'decimals')),
        taxRate: text(v, 'taxRate').replace(',', '.') || '0',
        taxInclusive: v['taxInclusive'] === true,
        timeZone: text(v, 'timeZone'),
        noticeDays: Number(text(v, 'noticeDays') || '0'),
        bandsSplit: v['bandsSplit'] === true,
        bands: bands.map((b) => ({ name: b.name, hours: b.hours ?? [] })),
        expectedVersion: of?.version ?? '0',
      },
    });
    changed();
    return mistakesOf(answer.error, answer.data?.deckPut.userErrors);
  };
  return (
    <EditForm
      title={`${t('deck.deck')} ${of?.key ?? ''}`}
      initial={{
        key: of?.key ?? '',
        name: of?.name ?? '',
        company: of?.company?.key ?? '',
        currency: of?.currency ?? '',
        rounding: of?.rounding ?? 'HALF_UP',
        decimals: String(of?.decimals ?? 6),
        taxRate: of?.taxRate ?? '0',
        taxInclusive: of?.taxInclusive ?? false,
        timeZone: of?.timeZone ?? 'UTC',
        noticeDays: String(of?.noticeDays ?? 0),
        bandsSplit: of?.bandsSplit ?? false,
        bands: of?.bands.map((b) => ({ name: b.name, hours: showHours(b.hours) })) ?? [],
      }}
      save={save}
      close={close}
      fields={[
        { name: 'key', label: t('company.key'), kind: 'text', required: true, fixed: of !== null },
        { name: 'name', label: t('company.name'), kind: 'text' },
        { name: 'company', label: t('account.company'), kind: 'text', hint: t('deck.companyHint') },
        { name: 'currency', label: t('deck.currency'), kind: 'text', required: true, fixed: of !== null },
        { name: 'rounding', label: t('deck.rounding'), kind: 'select', options: modes.map((m) => ({ value: m, label: t(`rounding.${m}`) })) },
        { name: 'decimals', label: t('deck.decimals'), kind: 'text', required: true },
        { name: 'taxRate', label: t('deck.tax'), kind: 'text', hint: t('deck.taxHint') },
        { name: 'taxInclusive', label: t('deck.taxInclusive'), kind: 'check' },
        { name: 'noticeDays', label: t('deck.noticeDays'), kind: 'text' },
        { name: 'timeZone', label: t('company.timeZone'), kind: 'text', hint: t('deck.zoneHint') },
        {
          name: 'bands',
          label: t('deck.bands'),
          hint: t('deck.bandsHint'),
          kind: 'rows',
          columns: [
            { name: 'name', label: t('company.name'), kind: 'text', required: true },
            { name: 'hours', label: t('route.hours'), kind: 'text', required: true },
          ],
        },
        { name: 'bandsSplit', label: t('deck.bandsSplit'), kind: 'check' },
      ]}
    />
  );
}
