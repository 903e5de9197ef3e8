// Retry-After as RFC 9110 (section 10.2.3) has it: delay-seconds, or an HTTP-date in one of its three forms (section
// 5.6.7). The one reader of it: of agents' answers, of webhook receivers' and, in the client, of the coordinator's.

/**
 * How long to wait, in ms from `now`, never below 0; null where the header is missing or is neither form. Seconds with
 * a fraction, which the RFC does not have and servers send, are rounded up.
 * @param now ms since the epoch
 */
export function retryAfterMs(header: string | null, now: number): number | null {
  if (header === null) return null;
  const text = header.replaceAll(/^[ \t]+|[ \t]+$/g, "");
  if (/^\d+(\.\d+)?$/.test(text)) return Math.min(Math.ceil(Number(text)) * 1_000, LONGEST_MS);
  const date = httpDate(text, now);
  return date === null ? null : Math.max(0, date - now);
}

/** A number of any length is a wait, and stays one that can be added to a time. */
const LONGEST_MS = Number.MAX_SAFE_INTEGER / 2;

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const MONTH = MONTHS.join("|");
const DAY = "Mon|Tue|Wed|Thu|Fri|Sat|Sun";
const LONG_DAY = "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday";
const TIME = String.raw`(?<hour>\d\d):(?<minute>\d\d):(?<second>\d\d)`;

/** IMF-fixdate, RFC 850's date and asctime's. Their letters' case counts, as the RFC says. */
const FORMS = [
  new RegExp(String.raw`^(?:${DAY}), (?<day>\d\d) (?<month>${MONTH}) (?<year>\d{4}) ${TIME} GMT$`),
  new RegExp(String.raw`^(?:${LONG_DAY}), (?<day>\d\d)-(?<month>${MONTH})-(?<year>\d\d) ${TIME} GMT$`),
  new RegExp(String.raw`^(?:${DAY}) (?<month>${MONTH}) (?<day>\d\d| \d) ${TIME} (?<year>\d{4})$`),
];

/** Milliseconds since the epoch; null if the text is not an HTTP-date, or not a date (30 February). */
function httpDate(text: string, now: number): number | null {
  const groups = FORMS.map((form) => form.exec(text)?.groups).find((found) => found !== undefined);
  if (groups === undefined) return null;
  const field = (name: string) => Number(groups[name]);
  const day = field("day");
  const month = MONTHS.indexOf(groups["month"] ?? "");
  if (field("hour") > 23 || field("minute") > 59 || field("second") > 60) return null;
  const at = (year: number) => Date.UTC(year, month, day, field("hour"), field("minute"), field("second"));
  const year = groups["year"]?.length === 2 ? fullYear(field("year"), now, at) : field("year");
  if (day < 1 || day > new Date(Date.UTC(year, month + 1, 0)).getUTCDate()) return null;
  return at(year);
}

/** Of two digits: the latest year with them whose date is no more than 50 years ahead. */
function fullYear(digits: number, now: number, at: (year: number) => number): number {
  const thisYear = new Date(now).getUTCFullYear();
  const limit = new Date(now).setUTCFullYear(thisYear + 50);
  let year = thisYear - (thisYear % 100) + 100 + digits;
  while (at(year) > limit) year -= 100;
  return year;
}
