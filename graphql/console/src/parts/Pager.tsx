import { Button, Group } from '@mantine/core';
import { useTexts } from '../i18n/i18n';
import { AsOf } from './Page';

interface Info {
  hasNextPage: boolean;
  hasPreviousPage: boolean;
  startCursor: string | null;
  endCursor: string | null;
}

/** Goes to newer and older rows by cursor, and says how complete they are. */
export function Pager({ info, asOf, go }: { info: Info | undefined; asOf?: { position: string; lagMs: number } | undefined; go: (to: { after?: string; before?: string }) => void }) {
  const { t } = useTexts();
  const start = info?.startCursor;
  const end = info?.endCursor;
  if (!info) return null;
  return (
    <Group gap={6} mih={24}>
      {(info.hasNextPage || info.hasPreviousPage) && (
        <>
      <Button size="compact-xs" variant="default" disabled={!info.hasPreviousPage || !start} onClick={() => start && go({ before: start })}>
        ← {t('common.newer')}
      </Button>
      <Button size="compact-xs" variant="default" disabled={!info.hasNextPage || !end} onClick={() => end && go({ after: end })}>
        {t('common.older')} →
      </Button>
        </>
      )}
      {asOf && <AsOf asOf={asOf} />}
    </Group>
  );
}
