import { createClient } from 'graphql-ws';
import { useEffect, useRef, useState } from 'react';
import { stringifyDocument, type TypedDocumentNode } from 'urql';
import { signedOutEvent } from './client';

// One websocket for all that the window listens to. What breaks is begun again by the
// feed itself, which knows where it was.
const feeds = createClient({
  url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/graphql`,
  retryAttempts: 0,
  lazyCloseTimeout: 3000,
});

let open = false;
feeds.on('connected', () => (open = true));
feeds.on('closed', () => (open = false));

/** How the connection ends when nobody is signed in any more. */
const unauthorized = 4401;
const firstPause = 2000;
const longestPause = 60_000;

interface Options<D, V, S> {
  /** What is asked, given what was heard so far. */
  variables: (state: S | undefined) => V;
  /** Puts an answer to what was heard before. */
  fold: (state: S | undefined, data: D) => S;
  /** A feed with another key begins with nothing. */
  key?: string;
  pause?: boolean;
}

/** Listens, and comes again when it breaks off; `live` says whether it listens now. */
export function useFeed<D, V extends object, S>(query: TypedDocumentNode<D, V>, options: Options<D, V, S>) {
  const { key = '', pause = false } = options;
  const [heard, setHeard] = useState<{ key: string; state: S }>();
  const [live, setLive] = useState(false);
  const latest = useRef(options);
  latest.current = options;
  useEffect(() => {
    if (pause) return;
    let state: S | undefined;
    let ended = false;
    let wait = firstPause;
    let timer = 0;
    let stop: () => void = () => undefined;
    const again = (why?: unknown) => {
      if (ended) return;
      setLive(false);
      if (why instanceof CloseEvent && why.code === unauthorized) {
        window.dispatchEvent(new Event(signedOutEvent));
        return;
      }
      timer = window.setTimeout(begin, wait);
      wait = Math.min(wait * 2, longestPause);
    };
    const begin = () => {
      setLive(open);
      const variables = latest.current.variables(state) as Record<string, unknown>;
      stop = feeds.subscribe<D>(
        { query: stringifyDocument(query), variables },
        {
          next: ({ data }) => {
            if (ended || !data) return;
            wait = firstPause;
            state = latest.current.fold(state, data);
            setHeard({ key, state });
          },
          error: again,
          complete: () => again(),
        },
      );
    };
    const off = feeds.on('connected', () => setLive(true));
    begin();
    return () => {
      ended = true;
      window.clearTimeout(timer);
      off();
      stop();
      setLive(false);
    };
  }, [query, key, pause]);
  return { state: heard?.key === key ? heard.state : undefined, live };
}
