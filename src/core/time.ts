// Times as text: ISO 8601 in UTC with milliseconds, as every event and answer shows them. The events of a batch
// share one time, which is written and read several times: the last one is remembered, since formatting a time costs
// more than folding its event.

let written = { ms: Number.NaN, text: "" };
let read = written;
/** The day of the last one: its first moment, and how its times begin. */
let day = { ms: Number.NaN, text: "" };

const DAY_MS = 86_400_000;

/** @param ms since the epoch */
export function isoTime(ms: number): string {
  if (ms !== written.ms) written = { ms, text: dayOf(ms) + clockTime(ms - day.ms) };
  return written.text;
}

function dayOf(ms: number): string {
  const first = Math.floor(ms / DAY_MS) * DAY_MS;
  if (first !== day.ms)
    day = { ms: first, text: new Date(first).toISOString().slice(0, -"00:00:00.000Z".length) };
  return day.text;
}

/** @param ms since the day began */
function clockTime(ms: number): string {
  const digits = (value: number, count: number) => `${Math.floor(value)}`.padStart(count, "0");
  const [hours, minutes, seconds] = [ms / 3_600_000, (ms / 60_000) % 60, (ms / 1_000) % 60];
  return `${digits(hours, 2)}:${digits(minutes, 2)}:${digits(seconds, 2)}.${digits(ms % 1_000, 3)}Z`;
}

/** Milliseconds since the epoch of such a text; NaN if the text is not a time. */
export function timeOf(text: string): number {
  if (text === written.text) return written.ms;
  if (text !== read.text) read = { ms: Date.parse(text), text };
  return read.ms;
}
