import { useEffect, useRef } from 'react';
import { type AnyVariables, Client, fetchExchange, mapExchange, type TypedDocumentNode, useQuery } from 'urql';

/** Told to the window when an answer says that the session is over. */
export const signedOutEvent = 'tollbook:signed-out';

export const client = new Client({
  url: '/graphql',
  exchanges: [
    mapExchange({
      onError: (error) => {
        if (signedOut(error)) window.dispatchEvent(new Event(signedOutEvent));
      },
    }),
    fetchExchange,
  ],
  preferGetMethod: false,
  requestPolicy: 'network-only',
  fetchOptions: { credentials: 'same-origin', headers: { 'X-Tollbook-CSRF': '1' } },
});

/** Asks again every so many milliseconds, while somebody looks; never for 0. Another pace begins with a question. */
export function usePolled<D, V extends AnyVariables>(query: TypedDocumentNode<D, V>, variables: V, everyMs: number) {
  const [result, again] = useQuery({ query, variables } as Parameters<typeof useQuery<D, V>>[0]);
  const pace = useRef(everyMs);
  useEffect(() => {
    if (!everyMs) {
      pace.current = 0;
      return undefined;
    }
    if (pace.current !== everyMs) again({ requestPolicy: 'network-only' });
    pace.current = everyMs;
    const timer = setInterval(() => {
      if (!document.hidden) again({ requestPolicy: 'network-only' });
    }, everyMs);
    return () => clearInterval(timer);
  }, [again, everyMs]);
  return { ...result, again };
}

/** Whether an answer says that nobody is signed in. */
function signedOut(error: { graphQLErrors: { extensions?: Record<string, unknown> }[] } | undefined): boolean {
  return !!error?.graphQLErrors.some((e) => e.extensions?.['code'] === 'UNAUTHENTICATED');
}
