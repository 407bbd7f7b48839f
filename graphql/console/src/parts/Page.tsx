import { Alert, Group, Loader, Stack, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import type { CombinedError } from 'urql';
import { useTexts } from '../i18n/i18n';
import classes from './parts.module.css';

interface AsOfLike {
  position: string;
  lagMs: number;
}

/** A page's frame: title, what can be done, how complete it is, and errors. */
export function Page(props: {
  title: ReactNode;
  actions?: ReactNode;
  asOf?: AsOfLike | undefined;
  error?: CombinedError | undefined;
  loading?: boolean;
  children: ReactNode;
}) {
  const { t } = useTexts();
  return (
    <Stack gap={10}>
      <Group justify="space-between" align="center" gap="sm" mih={30}>
        <Group gap={10} align="center">
          <Title order={1} fz={18} fw={600}>
            {props.title}
          </Title>
          {props.loading && <Loader size={14} />}
        </Group>
        <Group gap={8}>{props.actions}</Group>
      </Group>
      {props.error && (
        <Alert color="red" variant="light" py={8}>
          {t('common.error', { message: props.error.graphQLErrors[0]?.message ?? props.error.message })}
        </Alert>
      )}
      {props.children}
      {props.asOf && <AsOf asOf={props.asOf} />}
    </Stack>
  );
}

export function AsOf({ asOf }: { asOf: AsOfLike }) {
  const { t } = useTexts();
  return (
    <Text className={classes.note}>
      {t('common.asOf', { position: asOf.position, lag: asOf.lagMs })} · {t('common.utc')}
    </Text>
  );
}

/** A part of a page with a heading. */
export function Section({ title, actions, children }: { title: ReactNode; actions?: ReactNode; children: ReactNode }) {
  return (
    <Stack gap={6}>
      <Group justify="space-between">
        <Title order={2} fz={13} fw={600}>
          {title}
        </Title>
        {actions}
      </Group>
      {children}
    </Stack>
  );
}

export function Tag({ tone, children }: { tone?: 'good' | 'bad' | 'wait' | undefined; children: ReactNode }) {
  return (
    <span className={classes.tag} data-tone={tone}>
      {children}
    </span>
  );
}

/** Whether a page hears what changes, or asks for it again and again. */
export function Heard({ live }: { live: boolean }) {
  const { t } = useTexts();
  return (
    <span role="status" title={t(live ? 'feed.liveHint' : 'feed.askedHint')}>
      <Tag tone={live ? 'good' : 'wait'}>{t(live ? 'feed.live' : 'feed.asked')}</Tag>
    </span>
  );
}
