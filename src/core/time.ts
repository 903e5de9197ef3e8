// Times as text: ISO 8601 in UTC with milliseconds, as every event and answer shows them. The events of a batch
// share one time, which is written and read several times: the last one is remembered, since formatting a time costs
// more than folding its event.

let written = { ms: Number.NaN, text: "" };
let read = written;
/** The day of the last one: its first moment, and how its times begin. */
let day = { ms: Number.NaN, text: "" };

const DAY_MS = 86_400_000;
const TWO_DIGITS = Array.from({ length: 60 }, (_, value) => `${value}`.padStart(2, "0"));

/** @param ms since the epoch */
export function isoTime(ms: number): string {
  if (ms !== written.ms) written = { ms, text: textOf(ms) };
  return written.text;
}

/** Joined, for the reason that is at hexOf. */
function textOf(ms: number): string {
  const first = Math.floor(ms / DAY_MS) * DAY_MS;
  if (first !== day.ms)
    day = { ms: first, text: new Date(first).toISOString().slice(0, -"00:00:00.000Z".length) };
  const seconds = Math.floor((ms - first) / 1_000);
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const clock = [TWO_DIGITS[hours], TWO_DIGITS[minutes - hours * 60], TWO_DIGITS[seconds - minutes * 60]];
  const rest = `${ms - first - seconds * 1_000}`.padStart(3, "0");
  return [day.text, clock.join(":"), ".", rest, "Z"].join("");
}

/** Milliseconds since the epoch of such a text; NaN if the text is not a time. */
export function timeOf(text: string): number {
  if (text === written.text) return written.ms;
  if (text !== read.text) read = { ms: Date.parse(text), text };
  return read.ms;
}
