// A batch: the events that one decision makes, each folded at once, so that the next step of the decision sees it.
// They are committed together. Owns numbering (I6: seq is 1..n without a gap) and the clock that never runs back.
import type { LIFECYCLE_TYPES } from "../../contract/lifecycle.ts";
import type { JsonObject } from "../../contract/json.ts";
import { isoTime } from "../time.ts";
import { evolve } from "./evolve.ts";
import type { Internal, LogEvent } from "./log-event.ts";
import type { ExecutionState } from "./state.ts";

export interface Draft {
  type: (typeof LIFECYCLE_TYPES)[number];
  stage?: string;
  status: string;
  attempt?: number;
  message: string;
  data: JsonObject;
  internal?: Internal;
}

export class Turn {
  readonly events: LogEvent[] = [];
  state: ExecutionState;
  readonly now: number;
  private readonly timestamp: string;

  constructor(state: ExecutionState, now: number) {
    this.state = state;
    this.now = now;
    this.timestamp = isoTime(now);
  }

  /** The turn that brings an execution into being. */
  static begin(execution_id: string, draft: Draft, now: number): Turn {
    const event = compose(execution_id, 1, isoTime(now), draft);
    const turn = new Turn(evolve(null, event), now);
    turn.events.push(event);
    return turn;
  }

  emit(draft: Draft): void {
    const event = this.draw(draft);
    this.take(event, evolve(this.state, event));
  }

  /** An event that was drawn, with the state after it. */
  take(event: LogEvent, state: ExecutionState): void {
    this.state = state;
    this.events.push(event);
  }

  /** The event that a draft would become, for who must see the state after it before it is made. */
  draw(draft: Draft): LogEvent {
    return compose(this.state.spec.execution_id, this.state.seq + 1, this.timestamp, draft);
  }
}

/** One place decides the order of an event's keys: its bytes are what every replay repeats (I7). */
function compose(execution_id: string, seq: number, timestamp: string, draft: Draft): LogEvent {
  return {
    execution_id,
    seq,
    timestamp,
    type: draft.type,
    ...(draft.stage === undefined ? {} : { stage: draft.stage }),
    status: draft.status,
    ...(draft.attempt === undefined ? {} : { attempt: draft.attempt }),
    message: draft.message,
    data: draft.data,
    ...(draft.internal === undefined ? {} : { internal: draft.internal }),
  };
}
