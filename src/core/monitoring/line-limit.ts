// At most one line of a kind in a given time: the others are counted, and the next line says how many there were. Bounds
// what a caller who is refused again and again costs the operator's log.

export interface LineCount {
  /** When the last line was written, ms since the epoch. */
  at: number;
  /** Lines left out since. */
  left_out: number;
}

/**
 * Whether a line may be written now, and how many were left out before it; null where it is left out itself.
 * @param counted undefined where there has been no line of this kind
 */
export function admitLine(
  counted: LineCount | undefined,
  now: number,
  gap_ms: number,
): { counted: LineCount; left_out: number | null } {
  // A clock that was set back must not silence the log.
  const isSoon = counted !== undefined && now >= counted.at && now < counted.at + gap_ms;
  if (isSoon) return { counted: { ...counted, left_out: counted.left_out + 1 }, left_out: null };
  return { counted: { at: now, left_out: 0 }, left_out: counted?.left_out ?? 0 };
}
