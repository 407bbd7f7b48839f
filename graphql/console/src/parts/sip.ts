import { lines, text, type Field, type Values } from './EditForm';

/** How a peer's signalling is treated. */
export interface SipPolicy {
  codecs: readonly string[];
  headers: readonly string[];
  trusted: boolean;
  without: readonly string[];
  followRedirects: boolean;
  session: string;
}

type Translate = (key: 'sip.codecs' | 'sip.codecsHint' | 'sip.headers' | 'sip.headersHint' | 'sip.trusted' | 'sip.without' | 'sip.withoutHint' | 'sip.followRedirects' | 'sip.session') => string;

export const sipInitial = (p: SipPolicy): Values => ({
  sipCodecs: p.codecs.join(' '),
  sipHeaders: p.headers.join(' '),
  sipTrusted: p.trusted,
  sipWithout: p.without.join(' '),
  sipFollow: p.followRedirects,
  sipSession: Number(p.session) ? String(Number(p.session)) : '',
});

export const sipInput = (v: Values) => ({
  codecs: lines(v, 'sipCodecs'),
  headers: lines(v, 'sipHeaders'),
  trusted: v['sipTrusted'] === true,
  without: lines(v, 'sipWithout'),
  followRedirects: v['sipFollow'] === true,
  session: text(v, 'sipSession') || '0',
});

export function sipFields(t: Translate, terminator: boolean): Field[] {
  const all: Field[] = [
    { name: 'sipCodecs', label: t('sip.codecs'), kind: 'text', hint: t('sip.codecsHint') },
    { name: 'sipHeaders', label: t('sip.headers'), kind: 'text', hint: t('sip.headersHint') },
    { name: 'sipWithout', label: t('sip.without'), kind: 'text', hint: t('sip.withoutHint') },
    { name: 'sipSession', label: t('sip.session'), kind: 'text' },
  ];
  if (terminator) {
    all.push({ name: 'sipTrusted', label: t('sip.trusted'), kind: 'check' }, { name: 'sipFollow', label: t('sip.followRedirects'), kind: 'check' });
  }
  return all;
}

/** The policy in a few words, for a table. */
export const sipWords = (p: SipPolicy): string =>
  [p.codecs.join(' '), p.headers.length ? `[${p.headers.join(' ')}]` : '', p.without.map((x) => `−${x}`).join(' '), p.followRedirects ? '3xx' : '', p.trusted ? '✓' : ''].filter(Boolean).join('; ');
