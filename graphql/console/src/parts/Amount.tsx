import { grouped } from './format';
import classes from './parts.module.css';

interface MoneyLike {
  amount: string;
  currency: string;
}

/** An amount with its six places; zeros beyond the second are dimmed, so that columns stay aligned. */
export function Amount({ money, currency = true, sign = false }: { money: MoneyLike | null | undefined; currency?: boolean; sign?: boolean }) {
  if (!money) return null;
  const dot = money.amount.indexOf('.');
  const significant = Math.max(dot + 3, money.amount.replace(/0+$/, '').length);
  const negative = money.amount.startsWith('-');
  const head = grouped(money.amount.slice(0, significant)).replace('-', '−');
  return (
    <span className={classes.number} data-negative={negative || undefined}>
      {sign && !negative ? '+' : ''}
      {head}
      <span className={classes.faint}>{money.amount.slice(significant)}</span>
      {currency && <span className={classes.unit}> {money.currency}</span>}
    </span>
  );
}
