import { createRootRoute, createRoute, createRouter, Navigate } from '@tanstack/react-router';
import { AccountPage } from './pages/Account';
import { Accounts } from './pages/Accounts';
import { Audit } from './pages/Audit';
import { CallPage } from './pages/Call';
import { CdrFiles } from './pages/CdrFiles';
import { Cdrs } from './pages/Cdrs';
import { readCdrSearch } from './pages/cdrSearch';
import { Companies } from './pages/Companies';
import { DeckPage } from './pages/Deck';
import { DeckImportPage } from './pages/DeckImport';
import { Decks } from './pages/Decks';
import { Events, readEventSearch } from './pages/Events';
import { ExchangeRates } from './pages/ExchangeRates';
import { Evidence } from './pages/Evidence';
import { Guard } from './pages/Guard';
import { Interconnect } from './pages/Interconnect';
import { Jobs } from './pages/Jobs';
import { Live } from './pages/Live';
import { Nodes } from './pages/Nodes';
import { NotFound } from './pages/NotFound';
import { Overview } from './pages/Overview';
import { Peers } from './pages/Peers';
import { PriceSetup } from './pages/PriceSetup';
import { Registrations } from './pages/Registrations';
import { readReportSearch, Reports } from './pages/Reports';
import { Routes } from './pages/Routes';
import { readSimulateSearch, Simulate } from './pages/Simulate';
import { Security } from './pages/Security';
import { Subscribers } from './pages/Subscribers';
import { Tokens } from './pages/Tokens';
import { Webhooks } from './pages/Webhooks';
import { useRights } from './session';
import { Shell } from './Shell';

function Home() {
  return useRights().staff ? <Overview /> : <Navigate to="/cdrs" search={{}} />;
}

interface Paged {
  after?: string;
  before?: string;
}

function readPaged(search: Record<string, unknown>): Paged {
  const page: Paged = {};
  if (typeof search['after'] === 'string') page.after = search['after'];
  else if (typeof search['before'] === 'string') page.before = search['before'];
  return page;
}

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });
const at = <P extends string>(path: P, component: () => React.ReactNode) => createRoute({ getParentRoute: () => root, path, component });

export const cdrsRoute = createRoute({ getParentRoute: () => root, path: '/cdrs', component: Cdrs, validateSearch: readCdrSearch });
export const reportsRoute = createRoute({ getParentRoute: () => root, path: '/reports', component: Reports, validateSearch: readReportSearch });
export const callRoute = at('/calls/$id', CallPage);
export const accountRoute = createRoute({ getParentRoute: () => root, path: '/accounts/$key', component: AccountPage, validateSearch: readPaged });
export const deckRoute = at('/decks/$key', DeckPage);
export const auditRoute = createRoute({ getParentRoute: () => root, path: '/audit', component: Audit, validateSearch: readPaged });
export const eventsRoute = createRoute({ getParentRoute: () => root, path: '/events', component: Events, validateSearch: readEventSearch });
export const simulateRoute = createRoute({ getParentRoute: () => root, path: '/simulate', component: Simulate, validateSearch: readSimulateSearch });

const tree = root.addChildren([
  at('/', Home),
  at('/live', Live),
  cdrsRoute,
  at('/cdr-files', CdrFiles),
  at('/jobs', Jobs),
  at('/webhooks', Webhooks),
  reportsRoute,
  callRoute,
  at('/accounts', Accounts),
  accountRoute,
  at('/companies', Companies),
  at('/peers', Peers),
  at('/registrations', Registrations),
  at('/interconnect', Interconnect),
  at('/nodes', Nodes),
  at('/subscribers', Subscribers),
  at('/decks', Decks),
  deckRoute,
  at('/decks/$key/import', DeckImportPage),
  at('/exchange', ExchangeRates),
  at('/price-setup', PriceSetup),
  at('/routes', Routes),
  simulateRoute,
  at('/guard', Guard),
  at('/evidence', Evidence),
  at('/security', Security),
  at('/tokens', Tokens),
  eventsRoute,
  auditRoute,
]);

// Addresses are read by people: plain text, no quotes around what looks like a number.
export const router = createRouter({
  routeTree: tree,
  defaultPreload: false,
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: (search) => {
    const given = Object.entries(search).filter(([, value]) => value !== undefined && value !== '');
    const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
    return text ? `?${text}` : '';
  },
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
