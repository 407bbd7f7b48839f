// Spans of the week as people write them: "mon-fri 08:00-18:00", "sat", "fri 22:00-mon 06:00".

export interface Span {
  fromMinute: number;
  toMinute: number;
}

const names = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const day = 24 * 60;
const week = 7 * day;

function clock(text: string): number {
  const match = /^(\d\d):(\d\d)$/.exec(text);
  if (!match) return -1;
  const minute = Number(match[1]) * 60 + Number(match[2]);
  return Number(match[2]) > 59 || minute > day ? -1 : minute;
}

const wrapped = (minute: number): number => (minute > week ? minute - week : minute);

/** The spans of one line; undefined where it is none. */
function spansOf(line: string): Span[] | undefined {
  const long = /^([a-z]{3}) (\d\d:\d\d)-([a-z]{3}) (\d\d:\d\d)$/.exec(line);
  if (long) {
    const [from, to] = [names.indexOf(long[1]!) * day + clock(long[2]!), names.indexOf(long[3]!) * day + clock(long[4]!)];
    const known = names.includes(long[1]!) && names.includes(long[3]!) && clock(long[2]!) >= 0 && clock(long[4]!) >= 0;
    return known && from < week && from !== to ? [{ fromMinute: from, toMinute: to }] : undefined;
  }
  const match = /^([a-z]{3})(?:-([a-z]{3}))?(?: (\d\d:\d\d)-(\d\d:\d\d))?$/.exec(line);
  if (!match) return undefined;
  const [first, last] = [names.indexOf(match[1]!), names.indexOf(match[2] ?? match[1]!)];
  const [from, to] = match[3] ? [clock(match[3]), clock(match[4]!)] : [0, day];
  if (first < 0 || last < 0 || from < 0 || to < 0 || from === day || from === to) return undefined;
  const spans: Span[] = [];
  for (let at = first; ; at = (at + 1) % 7) {
    spans.push({ fromMinute: at * day + from, toMinute: wrapped(at * day + (to < from ? to + day : to)) });
    if (at === last) return spans;
  }
}

/** The spans of a text, one or more a line or between semicolons; undefined where a part is none. */
export function parseHours(text: string): Span[] | undefined {
  const out: Span[] = [];
  for (const line of text.toLowerCase().split(/[\n;,]+/).map((l) => l.trim().replace(/\s+/g, ' '))) {
    if (!line) continue;
    const spans = spansOf(line);
    if (!spans) return undefined;
    out.push(...spans);
  }
  return out;
}

const two = (n: number): string => String(n).padStart(2, '0');
const time = (minute: number): string => `${two(Math.floor(minute / 60))}:${two(minute % 60)}`;

/** A span as parseHours reads it. */
function showSpan({ fromMinute, toMinute }: Span): string {
  if (fromMinute === 0 && toMinute === week) return 'mon-sun';
  const from = names[Math.floor(fromMinute / day)]!;
  const length = (toMinute - fromMinute + week) % week || week;
  const endsAt = fromMinute % day;
  if (endsAt + length <= day) return length === day ? from : `${from} ${time(endsAt)}-${time(endsAt + length)}`;
  if (length < day) return `${from} ${time(endsAt)}-${time((endsAt + length) % day)}`;
  return `${from} ${time(endsAt)}-${names[Math.floor((toMinute % week) / day)]!} ${time(toMinute % day)}`;
}

export const showHours = (spans: readonly Span[]): string => spans.map(showSpan).join('; ');
