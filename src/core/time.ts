// Times as text: ISO 8601 in UTC with milliseconds, as every event and answer shows them. The events of a turn share
// one time, and each is written and read several times over: what was last made is remembered, since to write a time
// costs more than to fold the event that carries it.

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
