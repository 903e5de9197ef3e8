// The turns of a conversation in their order. At most one execution has a turn: a fork before the execution that it is a
// fork of, and of two forks the one that ended later.

/** What a conversation is remembered by. */
export interface EndedTurn {
  /** The execution that has it, and when that one ended, ms since the epoch. */
  id: string;
  ended: number;
  /** A ConversationTurn as JSON. */
  turn: string;
  /** Its place: the first execution that had it, and when that one ended. */
  of: string;
  at: number;
}

/** By their places in the conversation. */
export function compareTurns(a: EndedTurn, b: EndedTurn): number {
  return a.at - b.at || (a.of < b.of ? -1 : a.of > b.of ? 1 : 0);
}

/** The turns of several shards, each once, in their order: a turn that was replaced may be in its former home. */
export function mergeTurns<Turn extends EndedTurn>(turns: readonly Turn[]): Turn[] {
  const found = new Map<string, Turn>();
  for (const turn of turns) {
    const other = found.get(turn.of);
    if (other === undefined || isBefore(other, turn)) found.set(turn.of, turn);
  }
  return [...found.values()].toSorted(compareTurns);
}

/** Whether the second one has the turn of both. */
function isBefore(a: EndedTurn, b: EndedTurn): boolean {
  if ((a.id === a.of) !== (b.id === b.of)) return a.id === a.of;
  return a.ended < b.ended || (a.ended === b.ended && a.id < b.id);
}
