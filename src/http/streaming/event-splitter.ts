// An event stream's bytes, cut into whole events without looking into them: a blank line ends one, and `id:` begins a
// line of those that have a number. An incomplete event is buffered.
import { concatBytes } from "../../core/bytes.ts";

const LF = 10;
/** `id: ` */
const ID = [105, 100, 58, 32] as const;
const ZERO = 48;
const NINE = 57;

export interface WholeEvents {
  /** The bytes that may go out, in order. */
  pieces: Uint8Array[];
  events: number;
}

export class EventBytes {
  /** The number of the last whole event that had one. */
  seq: number;
  private held: Uint8Array[] = [];

  constructor(seq: number) {
    this.seq = seq;
  }

  /** The events that are whole with these bytes. */
  push(chunk: Uint8Array): WholeEvents {
    const pieces: Uint8Array[] = [];
    let events = 0;
    let begin = 0;
    // Where the bytes begin that need no copy.
    let from = 0;
    for (let at = chunk.indexOf(LF); at !== -1; at = chunk.indexOf(LF, at + 1)) {
      if ((at > begin ? chunk[at - 1] : this.lastBuffered()) !== LF) continue;
      let event = chunk.subarray(begin, at + 1);
      begin = at + 1;
      if (this.held.length > 0) {
        event = concatBytes([...this.held, event]);
        this.held = [];
        pieces.push(event);
        from = begin;
      }
      this.seq = numberOf(event) ?? this.seq;
      events += 1;
    }
    if (begin > from) pieces.push(chunk.subarray(from, begin));
    if (begin < chunk.byteLength) this.held.push(chunk.subarray(begin));
    return { pieces, events };
  }

  /** Returns and clears the incomplete last event. */
  takeRest(): Uint8Array {
    const rest = concatBytes(this.held);
    this.held = [];
    return rest;
  }

  private lastBuffered(): number | undefined {
    return this.held.at(-1)?.at(-1);
  }
}

/** The number on the line that begins with `id: `; JSON has no line break, so no other line can. */
function numberOf(event: Uint8Array): number | null {
  for (let line = 0; line < event.byteLength; line = event.indexOf(LF, line) + 1) {
    if (ID.some((byte, at) => event[line + at] !== byte)) continue;
    let number = 0;
    for (let at = line + ID.length; at < event.byteLength; at += 1) {
      const byte = event[at] as number;
      if (byte < ZERO || byte > NINE) break;
      number = number * 10 + (byte - ZERO);
    }
    return number;
  }
  return null;
}
