import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from 'react';
import { useTexts } from '../i18n/i18n';
import classes from './parts.module.css';

export interface Column<T> {
  id: string;
  title: ReactNode;
  cell: (row: T) => ReactNode;
  right?: boolean;
}

interface Props<T> {
  label: string;
  rows: readonly T[];
  columns: readonly Column<T>[];
  rowKey: (row: T) => string;
  open?: (row: T) => void;
  faded?: (row: T) => boolean;
  loading?: boolean;
  maxHeight?: string;
}

/** A dense table: j and k move, Enter opens, / goes to the page's filter. */
export function DataTable<T>({ label, rows, columns, rowKey, open, faded, loading, maxHeight }: Props<T>) {
  const { t } = useTexts();
  const [at, setAt] = useState(-1);
  const body = useRef<HTMLTableSectionElement>(null);
  const region = useRef<HTMLDivElement>(null);
  const onKey = useTableKeys(rows.length, at, setAt, () => {
    const row = rows[at];
    if (row && open) open(row);
  });
  useEffect(() => {
    body.current?.rows[at]?.scrollIntoView({ block: 'nearest' });
  }, [at]);
  useEffect(() => {
    if (!open) return;
    const listener = (event: globalThis.KeyboardEvent) => {
      // Of several tables it is the one with the focus, or else the first, that hears.
      const heard = document.activeElement?.closest('[data-keys]') ?? document.querySelector('[data-keys]');
      if (heard === region.current) onKey(event);
    };
    document.addEventListener('keydown', listener);
    return () => document.removeEventListener('keydown', listener);
  }, [onKey, open]);
  return (
    <div ref={region} data-keys={open ? true : undefined} className={classes.scroll} style={maxHeight ? { maxHeight } : undefined} tabIndex={0} role="region" aria-label={label}>
      <table className={classes.table}>
        <thead>
          <tr>
            {columns.map((c) => (
              <th key={c.id} scope="col" data-align={c.right ? 'right' : undefined}>
                {c.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={body}>
          {rows.map((row, i) => (
            <tr
              key={rowKey(row)}
              data-open={open ? true : undefined}
              data-at={i === at || undefined}
              data-faded={faded?.(row) || undefined}
              onClick={open ? () => open(row) : undefined}
            >
              {columns.map((c) => (
                <td key={c.id} data-align={c.right ? 'right' : undefined} data-mono>
                  {c.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length === 0 && <div className={classes.empty}>{loading ? t('common.loading') : t('common.none')}</div>}
    </div>
  );
}

type AnyKey = KeyboardEvent | globalThis.KeyboardEvent;

function useTableKeys(count: number, at: number, setAt: (at: number) => void, enter: () => void) {
  return (event: AnyKey) => {
    const target = event.target as HTMLElement;
    if (event.ctrlKey || event.metaKey || event.altKey || target.closest('input, textarea, select, [role=dialog]')) return;
    if (event.key === 'Enter' && target.closest('button, a')) return;
    const moves: Record<string, () => void> = {
      j: () => setAt(Math.min(at + 1, count - 1)),
      k: () => setAt(Math.max(at - 1, 0)),
      Enter: enter,
      '/': () => document.querySelector<HTMLInputElement>('[data-filter]')?.focus(),
    };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    move();
  };
}
