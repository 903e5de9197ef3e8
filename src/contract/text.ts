// Cutting texts. The one place that decides where a text may be cut: between code points, so that no half of a
// surrogate pair is left over, which is not Unicode and which databases and strict parsers refuse.

/**
 * The beginning of `text`, at most `units` UTF-16 units of it, cut between two code points. What is given back is
 * well-formed: a lone surrogate that the text had of its own becomes U+FFFD.
 */
export function cutText(text: string, units: number): string {
  if (text.length <= units) return text.toWellFormed();
  const end = Math.max(0, units);
  return text.slice(0, endsInHalf(text, end) ? end - 1 : end).toWellFormed();
}

/** True where a cut at `end` would part the two halves of a surrogate pair. */
function endsInHalf(text: string, end: number): boolean {
  return end > 0 && isHighSurrogate(text.charCodeAt(end - 1)) && isLowSurrogate(text.charCodeAt(end));
}

export function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

export function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
