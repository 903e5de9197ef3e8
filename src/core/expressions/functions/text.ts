// Searches in texts, in time that is linear in the text's length. The JavaScript engine's own search is used only
// where it is linear: for a needle of more than 250 characters its forward search may compare the whole needle at
// every position, and its backward search does so for every needle.

/** Maximum needle of a linear forward search: the engine's shift tables have 250 characters. */
const NATIVE_CHARS = 200;

/** Whether the engine's own forward search is used. */
export function isNative(needle: string): boolean {
  return needle.length <= NATIVE_CHARS;
}

/** A search for the first `needle` at or after a position, or -1. Create it once for many searches. */
export function searcher(needle: string): (text: string, from: number) => number {
  if (isNative(needle)) return (text, from) => text.indexOf(needle, from);
  const units = unitsOf(needle);
  const borders = bordersOf(units);
  return (text, from) => {
    let matched = 0;
    for (let at = from; at < text.length; at += 1) {
      const unit = text.charCodeAt(at);
      while (matched > 0 && units[matched] !== unit) matched = borders[matched - 1] as number;
      if (units[matched] === unit) matched += 1;
      if (matched === units.length) return at - matched + 1;
    }
    return -1;
  };
}

/** The position of the last `needle` in `text`, or -1. */
export function findLast(text: string, needle: string): number {
  if (needle === "") return text.length;
  // The forward search over both texts reversed.
  const units = unitsOf(needle).toReversed();
  const borders = bordersOf(units);
  let matched = 0;
  for (let at = text.length - 1; at >= 0; at -= 1) {
    const unit = text.charCodeAt(at);
    while (matched > 0 && units[matched] !== unit) matched = borders[matched - 1] as number;
    if (units[matched] === unit) matched += 1;
    if (matched === units.length) return at;
  }
  return -1;
}

function unitsOf(text: string): Uint16Array {
  const units = new Uint16Array(text.length);
  for (let at = 0; at < text.length; at += 1) units[at] = text.charCodeAt(at);
  return units;
}

/** The length of the longest border of each prefix (Knuth, Morris and Pratt). */
function bordersOf(units: Uint16Array): Int32Array {
  const borders = new Int32Array(units.length);
  let matched = 0;
  for (let at = 1; at < units.length; at += 1) {
    while (matched > 0 && units[matched] !== units[at]) matched = borders[matched - 1] as number;
    if (units[matched] === units[at]) matched += 1;
    borders[at] = matched;
  }
  return borders;
}

/** The number of Unicode characters: a surrogate pair counts as one. */
export function characters(text: string): number {
  let count = text.length;
  let afterHigh = false;
  for (let at = 0; at < text.length; at += 1) {
    const group = text.charCodeAt(at) & 0xfc00;
    if (afterHigh && group === 0xdc00) count -= 1;
    afterHigh = group === 0xd800;
  }
  return count;
}
