// Times as text: ISO 8601 in UTC with milliseconds, as every event and answer shows them. The events of a batch
// share one time, which is written and read several times: the last one is remembered, since formatting a time costs
// more than folding its event.

let written = { ms: Number.NaN, text: "" };
let read = written;

/** @param ms since the epoch */
export function isoTime(ms: number): string {
  if (ms !== written.ms) written = { ms, text: new Date(ms).toISOString() };
  return written.text;
}

/** Milliseconds since the epoch of such a text; NaN if the text is not a time. */
export function timeOf(text: string): number {
  if (text === written.text) return written.ms;
  if (text !== read.text) read = { ms: Date.parse(text), text };
  return read.ms;
}
