import { useTexts } from '../i18n/i18n';
import { DataTable } from './DataTable';
import { keyOf, rate } from './format';
import { Tag } from './Page';

interface Choice {
  rank: number | null;
  terminatorId: string;
  routeId: string;
  prefix: string;
  price: string;
  currency: string;
  margin: string;
  rejected: string | null;
  calledOut?: string | null;
  quality: readonly { figure: string; window: number; attempts: number; value: string | null }[];
}

/** The vendors of a decision: candidates in their order, then those left out. The currency is that of the margins. */
export function Choices({ choices, currency, chosen }: { choices: readonly Choice[]; currency: string; chosen?: string | null | undefined }) {
  const { t } = useTexts();
  return (
    <DataTable
      label={t('call.candidates')}
      rows={choices}
      rowKey={(c) => c.routeId}
      faded={(c) => c.rejected !== null}
      columns={[
        { id: 'rank', title: t('call.rank'), right: true, cell: (c) => c.rank ?? '' },
        { id: 'terminator', title: t('cdr.terminator'), cell: (c) => keyOf(c.terminatorId) },
        { id: 'route', title: t('route.route'), cell: (c) => keyOf(c.routeId) },
        { id: 'prefix', title: t('deck.prefix'), cell: (c) => c.prefix },
        { id: 'price', title: t('call.rate'), right: true, cell: (c) => c.prefix && `${rate(c.price)} ${c.currency}` },
        { id: 'margin', title: t('cdr.margin'), right: true, cell: (c) => c.prefix && `${rate(c.margin)} ${currency}` },
        { id: 'quality', title: t('route.quality'), cell: (c) => c.quality.map((q) => `${q.figure} ${q.value ?? '?'} (${q.attempts})`).join(', ') },
        { id: 'out', title: t('route.calledOut'), cell: (c) => c.calledOut },
        {
          id: 'state',
          title: '',
          cell: (c) => (c.rejected ? <Tag tone="bad">{c.rejected}</Tag> : chosen === c.terminatorId ? <Tag tone="good">{t('call.answeredHere')}</Tag> : null),
        },
      ]}
    />
  );
}
