import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { useTexts } from '../i18n/i18n';
import type { PriceLine } from '../pages/Call';
import { Amount } from './Amount';
import { keyOf, rate, seconds } from './format';
import classes from './parts.module.css';
import price from './price.module.css';

/** One side's price, told line by line as the book computed it. */
export function Price({ line }: { line: PriceLine }) {
  const { t } = useTexts();
  const first = Math.max(0, line.firstSeconds - line.packageSeconds);
  const next = line.billedSeconds - Math.max(line.firstSeconds, line.packageSeconds);
  const percent = Number(line.taxRate.replace('.', '')) / 1e4;
  return (
    <div className={classes.panel}>
      <div className={price.head}>
        <span>
          {t(line.side === 'SELL' ? 'call.sell' : 'call.buy')}:{' '}
          <Link className={classes.link} to="/accounts/$key" params={{ key: keyOf(line.accountId) }} search={{}}>
            {keyOf(line.accountId)}
          </Link>
        </span>
        <span className={classes.note}>{t('call.position', { position: line.position })}</span>
      </div>
      <dl className={price.lines}>
        <Line
          text={
            <Link className={classes.link} to="/decks/$key" params={{ key: keyOf(line.deckId) }}>
              {t('call.deckLine', { deck: keyOf(line.deckId), version: line.deckVersion, row: line.row })}
            </Link>
          }
          value={line.destination}
        />
        <Line text={t('call.prefixLine', { prefix: line.prefix })} value={`${rate(line.priceNext)} ${line.currency}${t('call.perMinute')}`} />
        <Line text={t('call.rawLine')} value={`${seconds(line.raw, 3)} s`} />
        <Line
          text={t('call.incrementLine', { first: line.intervalFirst, next: line.intervalNext, free: line.freeSeconds })}
          value={`${line.billedSeconds} s`}
        />
        {line.packageSeconds > 0 && (
          <Line
            text={
              <Link className={classes.link} to="/accounts/$key" params={{ key: keyOf(line.packageId) }} search={{}}>
                {t('call.packageLine', { account: keyOf(line.packageId) })}
              </Link>
            }
            value={`−${line.packageSeconds} s`}
          />
        )}
        {first > 0 && <Line text={t('call.firstLine', { n: first, rate: rate(line.priceFirst) })} value="" />}
        {next > 0 && <Line text={t('call.nextLine', { n: next, rate: rate(line.priceNext) })} value="" />}
        {!/^0\.0+$/.test(line.connectFee) && <Line text={t('call.feeLine')} value={line.connectFee} />}
        <Line text={t('call.exactLine')} value={line.exact} />
        <Line text={t('call.roundingLine', { mode: t(`rounding.${line.rounding}`), decimals: line.decimals })} value={<Amount money={line.net} />} />
        <Line text={t('call.taxLine', { rate: percent, inclusive: line.taxInclusive ? t('call.inclusive') : '' })} value={<Amount money={line.tax} />} />
        <Line total text={t('cdr.gross')} value={<Amount money={line.gross} />} />
      </dl>
      {line.explanation.length > 0 && (
        <details>
          <summary>{t('call.derivation')}</summary>
          <ol>
            {line.explanation.map((step, i) => (
              <li key={i}>{step}</li>
            ))}
          </ol>
        </details>
      )}
    </div>
  );
}

function Line({ text, value, total }: { text: ReactNode; value: ReactNode; total?: boolean }) {
  return (
    <div className={price.line} data-total={total || undefined}>
      <dt>{text}</dt>
      <dd>{value}</dd>
    </div>
  );
}
