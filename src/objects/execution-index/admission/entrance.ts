// How a run that does not run beside others enters its conversation: in the request that reads its history, and again
// with each question of one that waits. Brings together the places, the rows and notes of the conversation's runs, and
// its former shards.
import type { FormerPlaces } from "../../../adapters/durable/execution-index-client.ts";
import { supersedeExecution, wakeExecution } from "../../../adapters/durable/execution-client.ts";
import { systemClock } from "../../../adapters/platform/system.ts";
import type { Places } from "../../../core/conversations/admission.ts";
import type { ConversationEntrant } from "../../../core/conversations/entrant.ts";
import type { Beginning, Entered, StandingQuestion } from "../../../engine/worker-ports.ts";
import type { FormerHomes } from "../former-homes.ts";
import type { ConversationHistory } from "../turns/history.ts";
import type { RunRows } from "../run-rows.ts";
import type { StartNotes } from "../start-notes.ts";
import { Admissions } from "./admissions.ts";
import type { PlaceRows } from "./places.ts";

export interface EntranceParts {
  places: PlaceRows;
  rows: RunRows;
  notes: StartNotes;
  former: FormerHomes;
  executions: DurableObjectNamespace;
  tenant: string;
  history: ConversationHistory;
}

/** A message of `begin` with a note and an entrant. */
type Entering = Beginning & { note: NonNullable<Beginning["note"]>; entrant: ConversationEntrant };

export class Entrance {
  readonly admissions: Admissions;
  private readonly parts: EntranceParts;

  constructor(parts: EntranceParts) {
    this.parts = parts;
    const { executions, tenant, rows, notes, places } = parts;
    this.admissions = new Admissions({
      places,
      clock: systemClock,
      open: (conversation_id, now) => [
        ...new Set([...rows.openOf(conversation_id, now), ...notes.of(conversation_id, now)]),
      ],
      wake: (execution_id) => wakeExecution(executions, tenant, execution_id),
      supersede: (execution_id, by) => supersedeExecution(executions, tenant, execution_id, by),
    });
  }

  /** @returns an Entered as JSON */
  async enter({ conversation_id, turns, former, note, entrant }: Entering): Promise<string> {
    const { rows, notes } = this.parts;
    const { execution_id } = note.summary;
    await this.parts.history.ends(conversation_id, execution_id);
    const found = await this.parts.former.places(conversation_id, former, execution_id);
    if (found === null) return enteredText({ kind: "unknown" });
    const now = Date.now();
    // A repetition of one that has ended takes no place: nothing would free it.
    const hasEnded = found.hasEnded || (note.is_named && rows.hasEnded(conversation_id, execution_id, now));
    const asked = { ...entrant, conversation_id, execution_id, start: note.start };
    const admission = hasEnded
      ? ({ kind: "admitted" } as const)
      : await this.admissions.enter(asked, elsewhere(found.places, now + entrant.queue_ms));
    if (admission.kind === "busy") return enteredText(admission);
    const isKnown = note.is_named && rows.has(conversation_id, execution_id, now);
    const status = admission.kind === "queued" ? "queued" : "running";
    if (!isKnown) notes.add({ ...note.summary, status }, note.start, Date.now());
    if (admission.kind === "queued") return enteredText(admission);
    return enteredText(admission, await this.parts.history.read(conversation_id, turns, former));
  }

  /** @returns an Entered as JSON */
  async standing({
    conversation_id,
    execution_id,
    start,
    turns,
    former,
    entrant,
  }: StandingQuestion): Promise<string> {
    const admission = await this.admissions.standing({ ...entrant, conversation_id, execution_id, start });
    if (admission.kind !== "admitted") return enteredText(admission);
    this.parts.notes.admit(execution_id);
    return enteredText(admission, await this.parts.history.read(conversation_id, turns, former));
  }

  /** See ExecutionIndexRpc. */
  formerPlaces(conversation_id: string, execution_id: string, until: number): FormerPlaces {
    return {
      places: [...this.admissions.moved(conversation_id, execution_id, until)],
      hasEnded: this.parts.rows.hasEnded(conversation_id, execution_id, Date.now()),
    };
  }
}

/** What has its place in a former shard counts as running here until its object says that it has ended. */
function elsewhere(places: Places, expires: number): Places {
  return places.map((place) => ({
    ...place,
    state: "running",
    isElsewhere: true,
    expires: Math.max(place.expires, expires),
  }));
}

function enteredText(admission: Entered["admission"] | { kind: "interrupts" }, turns = "[]"): string {
  return `{"admission":${JSON.stringify(admission)},"turns":${turns}}`;
}
