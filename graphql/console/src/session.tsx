import { createContext, useContext } from 'react';
import { graphql, type ResultOf } from './api/graphql';

export const ViewerQuery = graphql(`
  query Viewer {
    viewer {
      actor
      role
      company {
        key
        name
      }
      secondFactor {
        on
        required
        recoveryCodes
      }
    }
  }
`);

export type Viewer = NonNullable<ResultOf<typeof ViewerQuery>['viewer']>;

export interface Session {
  viewer: Viewer;
  leave: () => void;
}

export const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error('no session');
  return session;
}

/** What the viewer's role lets him do; the server checks it again. */
export function useRights() {
  const { role } = useSession().viewer;
  return {
    admin: role === 'ADMIN',
    staff: role !== 'PARTNER',
    money: role === 'ADMIN' || role === 'FINANCE',
    traffic: role === 'ADMIN' || role === 'NOC',
  };
}
