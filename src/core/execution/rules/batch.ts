// A batch: the events that one decision makes, each folded at once, so that the next step of the decision sees it.
// They are committed together. Owns numbering (I6: seq is 1..n without a gap) and the clock that never runs back.
import { isoTime } from "../../time.ts";
import { evolve, type FoldedEvent } from "../evolve.ts";
import { type Gates, OPEN_GATES } from "../gates/gates.ts";
import type { LogEvent } from "../log-event.ts";
import type { ExecutionState } from "../state.ts";
import { type UnitName, unitPlace } from "../units/unit-name.ts";

/** What a batch gives to each event. */
type Numbered = Pick<LogEvent, "execution_id" | "seq" | "timestamp">;

type Unnumbered<Event> = Event extends Numbered ? Omit<Event, keyof Numbered> : never;

/** An event before it has its number and its time. Its `stage` names a unit, which may be an item. */
export type Draft = Unnumbered<LogEvent>;

/** A terminal event before the execution after it is known: only its error is folded. */
export type EndDraft = Unnumbered<FoldedEvent>;

export class Batch {
  readonly events: LogEvent[] = [];
  state: ExecutionState;
  readonly now: number;
  readonly gates: Gates;
  /** Units whose call waits until a place is asked for; null where no call was looked at. */
  blocked: Set<UnitName> | null = null;
  private readonly timestamp: string;

  constructor(state: ExecutionState, now: number, gates: Gates = OPEN_GATES) {
    this.state = state;
    this.now = now;
    this.gates = gates;
    this.timestamp = isoTime(now);
  }

  /** The batch that brings an execution into being. */
  static begin(execution_id: string, draft: Draft, now: number, gates: Gates): Batch {
    const event = compose(execution_id, 1, isoTime(now), draft);
    const batch = new Batch(evolve(null, event), now, gates);
    batch.events.push(event);
    return batch;
  }

  emit(draft: Draft): void {
    const event = this.draw(draft);
    this.take(event, evolve(this.state, event));
  }

  /** Adds a drawn event, with the state after it. */
  take(event: LogEvent, state: ExecutionState): void {
    this.state = state;
    this.events.push(event);
  }

  /** The event that a draft would become, for a caller that needs the state after it before it is added. */
  draw<D extends Draft | EndDraft>(draft: D): D & Numbered {
    return compose(this.state.spec.execution_id, this.state.seq + 1, this.timestamp, draft);
  }
}

/** The unit as an event has it. */
function placed(name: UnitName): { stage: string; item?: number } {
  const { stage, item } = unitPlace(name);
  return item === undefined ? { stage } : { stage, item };
}

/** One place decides the order of an event's keys: its bytes are what every replay repeats (I7). */
function compose<D extends Draft | EndDraft>(
  execution_id: string,
  seq: number,
  timestamp: string,
  draft: D,
): D & Numbered {
  const { type, stage, status, attempt, message, data, internal } = draft;
  const event = {
    execution_id,
    seq,
    timestamp,
    type,
    ...(stage === undefined ? {} : placed(stage)),
    status,
    ...(attempt === undefined ? {} : { attempt }),
    message,
    data,
    ...(internal === undefined ? {} : { internal }),
  };
  // The compiler does not see that the fields which are taken apart and put together in order are the draft's own.
  return event as unknown as D & Numbered;
}
