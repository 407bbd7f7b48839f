import '@mantine/core/styles.css';
import './theme.css';
import { MantineProvider } from '@mantine/core';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode, useEffect, useMemo } from 'react';
import { createRoot } from 'react-dom/client';
import { Provider, useMutation, useQuery } from 'urql';
import { client, signedOutEvent } from './api/client';
import { graphql } from './api/graphql';
import { TextsProvider } from './i18n/i18n';
import { SecurityPanel } from './pages/Security';
import { SignIn } from './pages/SignIn';
import { router } from './router';
import { SessionContext, ViewerQuery } from './session';
import { theme } from './theme';

const SignOutMutation = graphql(`
  mutation SignOut {
    signOut {
      userErrors {
        message
      }
    }
  }
`);

function App() {
  const [result, again] = useQuery({ query: ViewerQuery });
  const [, signOut] = useMutation(SignOutMutation);
  const viewer = result.data?.viewer;
  useEffect(() => {
    const ask = () => again({ requestPolicy: 'network-only' });
    window.addEventListener(signedOutEvent, ask);
    return () => window.removeEventListener(signedOutEvent, ask);
  }, [again]);
  const session = useMemo(
    () =>
      viewer
        ? {
            viewer,
            leave: () => {
              void signOut({}).then(() => again({ requestPolicy: 'network-only' }));
            },
          }
        : null,
    [viewer, signOut, again],
  );
  if (!session) {
    return result.fetching && !result.data ? null : <SignIn done={() => again({ requestPolicy: 'network-only' })} />;
  }
  const factor = session.viewer.secondFactor;
  const mustSetUp = factor?.required === true && !factor.on;
  return (
    <SessionContext.Provider value={session}>
      {mustSetUp ? <SecurityPanel changed={() => again({ requestPolicy: 'network-only' })} /> : <RouterProvider router={router} />}
    </SessionContext.Provider>
  );
}

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <MantineProvider theme={theme} defaultColorScheme="auto">
        <TextsProvider>
          <Provider value={client}>
            <App />
          </Provider>
        </TextsProvider>
      </MantineProvider>
    </StrictMode>,
  );
}
