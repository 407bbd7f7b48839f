// Numbers stay text from the API to the screen; here they are only cut and grouped.

/** "1234567.5" becomes "1,234,567.5". */
export function grouped(decimal: string): string {
  const [whole = '', fraction] = decimal.split('.');
  const text = whole.replace(/\B(?=(\d{3})+(?!\d))/g, '\u2009');
  return fraction === undefined ? text : `${text}.${fraction}`;
}

/** A rate without the zeros at its end, but with at least four places. */
export function rate(decimal: string): string {
  const [whole = '', fraction = ''] = decimal.split('.');
  return `${whole}.${fraction.replace(/0+$/, '').padEnd(4, '0')}`;
}

/** Seconds such as "73.412" as "1:13". Parts of a second are cut off. */
export function clock(seconds: string): string {
  const all = Number.parseInt(seconds, 10);
  const hours = Math.floor(all / 3600);
  const minutes = Math.floor((all % 3600) / 60);
  const rest = String(all % 60).padStart(2, '0');
  return hours ? `${hours}:${String(minutes).padStart(2, '0')}:${rest}` : `${minutes}:${rest}`;
}

/** Seconds with so many places, cut off. */
export function seconds(text: string | null | undefined, places = 2): string {
  if (!text) return '';
  const [whole = '0', fraction = ''] = text.split('.');
  return places ? `${whole}.${fraction.padEnd(places, '0').slice(0, places)}` : whole;
}

/** A ratio with four places, "0.4533", as "45.33". */
export function percent(ratio: string): string {
  const [whole = '0', fraction = ''] = ratio.split('.');
  const digits = fraction.padEnd(4, '0');
  return `${Number(whole + digits.slice(0, 2))}.${digits.slice(2, 4)}`;
}

/** An instant as "11-22 23:20:00" in UTC. */
export function dayTime(instant: string | null | undefined): string {
  return instant ? `${instant.slice(5, 10)} ${instant.slice(11, 19)}` : '';
}

/** An instant as "2026-11-22 23:20:00" in UTC. */
export function fullTime(instant: string | null | undefined): string {
  return instant ? `${instant.slice(0, 10)} ${instant.slice(11, 19)}` : '';
}

/** The time of day with milliseconds. */
export function preciseTime(instant: string): string {
  const [, time = ''] = instant.replace('Z', '').split('T');
  const [clockPart = '', fraction = ''] = time.split('.');
  return `${clockPart}.${fraction.padEnd(3, '0').slice(0, 3)}`;
}

/** What stands after the colon of a global id. */
export function keyOf(id: string | null | undefined): string {
  return id ? id.slice(id.indexOf(':') + 1) : '';
}
