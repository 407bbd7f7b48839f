import { Button, Group } from '@mantine/core';
import { useState } from 'react';
import { useMutation } from 'urql';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { Tag } from './Page';

const Start = graphql(`
  mutation StartRecording($input: RecordingInput!) {
    recordingStart(input: $input) {
      userErrors {
        message
      }
    }
  }
`);

const Stop = graphql(`
  mutation StopRecording($input: RecordingInput!) {
    recordingStop(input: $input) {
      userErrors {
        message
      }
    }
  }
`);

const Pause = graphql(`
  mutation PauseRecording($input: RecordingInput!) {
    recordingPause(input: $input) {
      userErrors {
        message
      }
    }
  }
`);

const Resume = graphql(`
  mutation ResumeRecording($input: RecordingInput!) {
    recordingResume(input: $input) {
      userErrors {
        message
      }
    }
  }
`);

type State = 'NONE' | 'ON' | 'PAUSED' | 'STOPPED';

/** How a running call's recording stands, and what can be done to it. */
export function Recording({ call, state, steers }: { call: string; state: State; steers: boolean }) {
  const { t } = useTexts();
  const [, start] = useMutation(Start);
  const [, stop] = useMutation(Stop);
  const [, pause] = useMutation(Pause);
  const [, resume] = useMutation(Resume);
  const [mistake, setMistake] = useState('');
  const input = { input: { call, reason: '' } };
  // Each deed gives what the answer says against it.
  const deeds = {
    start: async () => (await start(input)).data?.recordingStart.userErrors,
    stop: async () => (await stop(input)).data?.recordingStop.userErrors,
    pause: async () => (await pause(input)).data?.recordingPause.userErrors,
    resume: async () => (await resume(input)).data?.recordingResume.userErrors,
  };
  const offered: (keyof typeof deeds)[] = state === 'ON' ? ['pause', 'stop'] : state === 'PAUSED' ? ['resume', 'stop'] : ['start'];
  const run = async (deed: keyof typeof deeds) => setMistake((await deeds[deed]())?.[0]?.message ?? '');
  return (
    <Group gap={4} wrap="nowrap" title={mistake}>
      {state !== 'NONE' && <Tag tone={state === 'ON' ? 'bad' : 'wait'}>{t(`recording.${state}`)}</Tag>}
      {steers &&
        offered.map((deed) => (
          <Button
            key={deed}
            size="compact-xs"
            variant="subtle"
            c={mistake ? 'var(--bad)' : undefined}
            onClick={(e) => {
              e.stopPropagation();
              void run(deed);
            }}
          >
            {t(`recording.${deed}`)}
          </Button>
        ))}
    </Group>
  );
}
