import { AppShell, Button, Group, SegmentedControl, Text, useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import { Link, Outlet } from '@tanstack/react-router';
import { useTexts } from './i18n/i18n';
import type { Key } from './i18n/en';
import { useRights, useSession } from './session';
import classes from './shell.module.css';

interface Item {
  to: '/' | '/live' | '/events' | '/tokens' | '/cdrs' | '/cdr-files' | '/jobs' | '/webhooks' | '/reports' | '/accounts' | '/companies' | '/peers' | '/subscribers' | '/decks' | '/exchange' | '/price-setup' | '/registrations' | '/interconnect' | '/nodes' | '/routes' | '/simulate' | '/guard' | '/evidence' | '/audit' | '/security';
  text: Key;
  staff?: boolean;
  money?: boolean;
  admin?: boolean;
}

const groups: { title: Key; items: Item[] }[] = [
  {
    title: 'nav.group.traffic',
    items: [
      { to: '/', text: 'nav.overview', staff: true },
      { to: '/live', text: 'nav.live' },
      { to: '/cdrs', text: 'nav.cdrs' },
      { to: '/events', text: 'nav.events' },
      { to: '/reports', text: 'nav.reports' },
      { to: '/cdr-files', text: 'nav.files', money: true },
      { to: '/jobs', text: 'nav.jobs' },
    ],
  },
  {
    title: 'nav.group.money',
    items: [
      { to: '/accounts', text: 'nav.accounts' },
      { to: '/companies', text: 'nav.companies' },
      { to: '/decks', text: 'nav.decks' },
      { to: '/exchange', text: 'nav.exchange', staff: true },
      { to: '/price-setup', text: 'nav.priceSetup', staff: true },
    ],
  },
  {
    title: 'nav.group.setup',
    items: [
      { to: '/peers', text: 'nav.peers' },
      { to: '/subscribers', text: 'nav.subscribers' },
      { to: '/registrations', text: 'nav.registrations', staff: true },
      { to: '/interconnect', text: 'nav.interconnect', staff: true },
      { to: '/nodes', text: 'nav.nodes', staff: true },
      { to: '/routes', text: 'nav.routes', staff: true },
      { to: '/simulate', text: 'nav.simulate', staff: true },
      { to: '/guard', text: 'nav.guard' },
      { to: '/evidence', text: 'nav.evidence', staff: true },
      { to: '/audit', text: 'nav.audit', staff: true },
      { to: '/security', text: 'nav.security' },
      { to: '/tokens', text: 'nav.tokens', admin: true },
      { to: '/webhooks', text: 'nav.webhooks', admin: true },
    ],
  },
];

export function Shell() {
  const { t } = useTexts();
  const { staff, money, admin } = useRights();
  return (
    <AppShell header={{ height: 44 }} navbar={{ width: 176, breakpoint: 'sm' }} padding={16}>
      <AppShell.Header className={classes.header}>
        <Group h="100%" px={16} justify="space-between" wrap="nowrap">
          <Text fw={650} fz={16}>
            {t('app.name')}
          </Text>
          <Controls />
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p={8} className={classes.navbar}>
        <nav aria-label={t('app.name')}>
          {groups.map((group) => (
            <div key={group.title} className={classes.group}>
              <div className={classes.heading}>{t(group.title)}</div>
              {group.items
                .filter((item) => (staff || !item.staff) && (money || !item.money) && (admin || !item.admin))
                .map((item) => (
                  <Link key={item.to} to={item.to} className={classes.item} activeOptions={{ exact: item.to === '/' }}>
                    {t(item.text)}
                  </Link>
                ))}
            </div>
          ))}
        </nav>
      </AppShell.Navbar>
      <AppShell.Main className={classes.main}>
        <Outlet />
      </AppShell.Main>
    </AppShell>
  );
}

function Controls() {
  const { t, language, setLanguage } = useTexts();
  const { viewer, leave } = useSession();
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme('light');
  return (
    <Group gap={10} wrap="nowrap">
      <Text fz="xs" c="dimmed">
        {viewer.actor.replace('user:', '')} · {viewer.role.toLowerCase()}
        {viewer.company ? ` · ${viewer.company.name}` : ''}
      </Text>
      <SegmentedControl
        size="xs"
        aria-label={t('common.language')}
        value={language}
        onChange={(value) => setLanguage(value === 'ru' ? 'ru' : 'en')}
        data={[
          { value: 'en', label: 'EN' },
          { value: 'ru', label: 'RU' },
        ]}
      />
      <Button size="compact-xs" variant="default" aria-label={t('common.theme')} title={t('common.theme')} onClick={() => setColorScheme(scheme === 'dark' ? 'light' : 'dark')}>
        {scheme === 'dark' ? '☀' : '☾'}
      </Button>
      <Button size="compact-xs" variant="subtle" onClick={leave}>
        {t('common.signOut')}
      </Button>
    </Group>
  );
}
