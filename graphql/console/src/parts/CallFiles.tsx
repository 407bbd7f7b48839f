import { useTexts } from '../i18n/i18n';
import type { CallFile } from '../pages/Call';
import { DataTable } from './DataTable';
import { grouped, preciseTime, seconds } from './format';
import { Tag } from './Page';

/** Recordings to listen to, captures to download. */
export function CallFiles({ files }: { files: readonly CallFile[] }) {
  const { t } = useTexts();
  return (
    <DataTable
      label={t('call.files')}
      rows={files}
      rowKey={(f) => f.name}
      columns={[
        { id: 'kind', title: t('file.kind'), cell: (f) => t(`file.${f.kind}`) },
        { id: 'from', title: t('file.from'), cell: (f) => f.from && preciseTime(f.from) },
        { id: 'to', title: t('file.to'), cell: (f) => f.to && preciseTime(f.to) },
        { id: 'size', title: t('file.size'), right: true, cell: (f) => grouped(f.size) },
        { id: 'codec', title: t('cdr.codec'), cell: (f) => f.codec },
        { id: 'paused', title: t('file.paused'), right: true, cell: (f) => Number(f.paused) > 0 && seconds(f.paused) },
        { id: 'node', title: t('file.node'), cell: (f) => f.node },
        {
          id: 'state',
          title: t('cdr.state'),
          cell: (f) => (
            <>
              <Tag tone={f.state === 'REMOVED' ? 'bad' : f.state === 'HERE' ? 'good' : 'wait'}>{t(`file.${f.state}`)}</Tag>
              {f.truncated && <Tag tone="bad">{`${t('file.truncated')} ${f.reason}`}</Tag>}
              {f.removedWhy && ` ${f.removedWhy}`}
            </>
          ),
        },
        {
          id: 'play',
          title: '',
          cell: (f) =>
            f.url && (
              <span style={{ display: 'inline-flex', alignItems: 'center', gap: 8 }}>
                {f.kind === 'RECORDING' && (
                  <audio controls preload="none" src={f.url} aria-label={t('file.play')} style={{ height: 28 }} />
                )}
                <a href={`${f.url}?download`} title={`SHA-256 ${f.sha256}`}>
                  {t('file.download')}
                </a>
              </span>
            ),
        },
      ]}
    />
  );
}
