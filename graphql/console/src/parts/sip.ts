import { lines, text, type Field, type Values } from './EditForm';

/** How a peer's signalling is treated. */
export interface SipPolicy {
  codecs: readonly string[];
  headers: readonly string[];
  trusted: boolean;
  without: readonly string[];
  followRedirects: boolean;
  session: string;
  reliableAnswers: boolean;
  transfers: boolean;
  srtp: 'NEVER' | 'OFFER' | 'REQUIRE';
  srtpOnPlain: boolean;
  srtpSuites: readonly string[];
}

type Translate = (key: 'sip.codecs' | 'sip.codecsHint' | 'sip.headers' | 'sip.headersHint' | 'sip.trusted' | 'sip.without' | 'sip.withoutHint' | 'sip.followRedirects' | 'sip.session' | 'sip.reliable' | 'sip.transfers' | SrtpText) => string;
type SrtpText = 'srtp.srtp' | 'srtp.NEVER' | 'srtp.OFFER' | 'srtp.REQUIRE' | 'srtp.onPlain' | 'srtp.suites' | 'srtp.suitesHint';

/** Whether a peer's media is encrypted, as a form asks it. */
export const srtpFields = (t: (key: SrtpText) => string): Field[] => [
  { name: 'srtp', label: t('srtp.srtp'), kind: 'select', options: (['NEVER', 'OFFER', 'REQUIRE'] as const).map((m) => ({ value: m, label: t(`srtp.${m}`) })) },
  { name: 'srtpOnPlain', label: t('srtp.onPlain'), kind: 'check' },
];

export const srtpInput = (v: Values) => ({ srtp: text(v, 'srtp') as SipPolicy['srtp'], srtpOnPlain: v['srtpOnPlain'] === true });

export const sipInitial = (p: SipPolicy): Values => ({
  sipCodecs: p.codecs.join(' '),
  sipHeaders: p.headers.join(' '),
  sipTrusted: p.trusted,
  sipWithout: p.without.join(' '),
  sipFollow: p.followRedirects,
  sipSession: Number(p.session) ? String(Number(p.session)) : '',
  sipReliable: p.reliableAnswers,
  sipTransfers: p.transfers,
  srtp: p.srtp,
  srtpOnPlain: p.srtpOnPlain,
  srtpSuites: p.srtpSuites.join(' '),
});

export const sipInput = (v: Values) => ({
  codecs: lines(v, 'sipCodecs'),
  headers: lines(v, 'sipHeaders'),
  trusted: v['sipTrusted'] === true,
  without: lines(v, 'sipWithout'),
  followRedirects: v['sipFollow'] === true,
  session: text(v, 'sipSession') || '0',
  reliableAnswers: v['sipReliable'] === true,
  transfers: v['sipTransfers'] === true,
  ...srtpInput(v),
  srtpSuites: lines(v, 'srtpSuites'),
});

export function sipFields(t: Translate, terminator: boolean): Field[] {
  const all: Field[] = [
    { name: 'sipCodecs', label: t('sip.codecs'), kind: 'text', hint: t('sip.codecsHint') },
    { name: 'sipHeaders', label: t('sip.headers'), kind: 'text', hint: t('sip.headersHint') },
    { name: 'sipWithout', label: t('sip.without'), kind: 'text', hint: t('sip.withoutHint') },
    { name: 'sipSession', label: t('sip.session'), kind: 'text' },
    ...srtpFields(t),
    { name: 'srtpSuites', label: t('srtp.suites'), kind: 'text', hint: t('srtp.suitesHint') },
  ];
  if (terminator) {
    all.push({ name: 'sipTrusted', label: t('sip.trusted'), kind: 'check' }, { name: 'sipFollow', label: t('sip.followRedirects'), kind: 'check' });
  } else {
    all.push({ name: 'sipReliable', label: t('sip.reliable'), kind: 'check' }, { name: 'sipTransfers', label: t('sip.transfers'), kind: 'check' });
  }
  return all;
}

/** The policy in a few words, for a table. */
export const sipWords = (p: SipPolicy): string =>
  [p.codecs.join(' '), p.headers.length ? `[${p.headers.join(' ')}]` : '', p.without.map((x) => `−${x}`).join(' '), p.followRedirects ? '3xx' : '', p.reliableAnswers ? '100rel' : '', p.transfers ? 'REFER' : '', p.trusted ? '✓' : '', p.srtp === 'NEVER' ? '' : `SRTP ${p.srtp.toLowerCase()}`].filter(Boolean).join('; ');
