// LogEvent: a lifecycle event as the log keeps it. Its public part is what readers get, byte for byte; `internal`
// is what only the fold needs and never leaves the object.
import type { LifecycleEvent } from "../../contract/event.ts";
import type { ConversationTurn } from "../../contract/execution.ts";
import type { JsonObject } from "../../contract/json.ts";
import type { StageError, Usage } from "../../contract/stage.ts";
import type { PrivateSpec } from "./run-spec.ts";
import type { AcceptedAnswer, OutsideAnswer, SeenChild } from "./state.ts";
import type { UnitName } from "./units/unit-name.ts";

/** How the call of a stage.started ended. */
export interface CallEnd {
  /** When the call was sent, in ms since the epoch; its end is the event's own timestamp. */
  began_at?: number;
  /** No call was made, and so no try: a breaker refused it, or the result cache answered. */
  uncalled?: true;
  /** What it has used, where its answer was not taken. */
  usage?: Usage;
}

/** How the text of a completed call is kept, for readers who got a part of it. */
interface KeptText {
  /** The key of `data` that holds it … */
  text_in?: string;
  /** … or the text, where `data` does not hold it. */
  text?: string;
}

/** Where the log has what a terminal event repeats, by the `seq` of the event that ended a stage. */
export interface Repeats {
  /** By stage: its entry in `stage_results` is the data of that event. */
  stages: Readonly<Record<string, number>>;
  /** `final_result` is the stage's data in that event. */
  final?: number;
}

interface Ending {
  repeats?: Repeats;
  /** The execution whose question has superseded it. */
  superseded_by?: string;
}

/** The answer from outside with which a stage or a try ended. */
interface Answered {
  answered?: AcceptedAnswer;
}

/** What a stage.waiting keeps: of a question `bytes`, UTF-8 bytes of its prompt; of an agent's 202 the rest. */
interface Waiting {
  bytes?: number;
  /** When the call was sent, ms since the epoch. */
  began_at?: number;
  /** See OutsideWait. */
  location?: string;
  /** Of an execution that rests: see StageState. */
  seen?: SeenChild;
  /** Of the call that asks. */
  usage?: Usage;
  /** Of an agent that asks for input: see AskedCall. */
  continuation?: JsonObject;
}

/** An answer that came before its question. */
interface Signalled extends Answered {
  answer?: OutsideAnswer;
  /** UTF-8 bytes that its data adds. */
  bytes?: number;
}

/** Where it is not the result's: what it adds to the execution's usage, which has the rest from items or iterations. */
interface Used {
  usage?: Usage;
}

/** What a fork keeps of a stage that it has taken over, for a fork of its own. */
interface TakenOver {
  /** The stages whose additions to the context its call had seen. */
  saw?: string[];
  /** What a wait stage had shown. */
  prompt?: JsonObject;
}

/** What the log keeps of an event beside what readers get, by the event's type; the other types have none. */
interface Internals {
  /** `bytes`: UTF-8 bytes of the context. */
  "execution.queued": { spec?: PrivateSpec; bytes?: number };
  /** Of a run that was queued, the history alone. */
  "execution.started": { spec?: PrivateSpec; bytes?: number; history?: ConversationTurn[] };
  /** The try was begun before, and its call not sent. */
  "stage.queued": { repeated?: true };
  /** The call has the same attempt as the one before it: a crash or a pause interrupted that, or this is the fallback's. */
  "stage.started": {
    repeated?: true;
    /** Of a stage with `map`: its list, and UTF-8 bytes that it adds to the execution. */
    over?: unknown[];
    bytes?: number;
  };
  /** `usage`: of the call that has ended. `context` and `bytes`: see stage.completed. */
  "stage.iterated": CallEnd & Answered & { context?: JsonObject; bytes?: number; usage?: Usage };
  /** `contract`: the answer broke the contract; the next such answer is the last. */
  "stage.retrying": CallEnd & Answered & { contract?: true };
  "stage.waiting": Waiting;
  "stage.signalled": Signalled;
  /** `rescued`: why the stage would have failed, where its fallback takes over. */
  "stage.fallback": CallEnd & Answered & { rescued?: StageError };
  "stage.completed": CallEnd &
    Answered &
    KeptText & {
      /** What the agent's answer adds to the execution's context. */
      context?: JsonObject;
      /** UTF-8 bytes that the data, usage and context patch add, less those of the context that was overwritten. */
      bytes?: number;
    } & TakenOver &
    Used;
  "stage.skipped": Pick<TakenOver, "saw">;
  "stage.failed": CallEnd & Answered & Used;
  /** What it had said. */
  "stage.cancelled": { text?: string } & Used;
  /** `unsent`: the unit whose call was not made; `used`: what the calls have used that are interrupted. */
  "execution.paused": { unsent?: UnitName; used?: Readonly<Record<UnitName, Usage>> };
  "execution.completed": Ending;
  "execution.failed": Ending;
  "execution.cancelled": Ending;
}

type WithInternal<Event> = Event extends { type: infer Type }
  ? Event & { internal?: Type extends keyof Internals ? Internals[Type] : undefined }
  : never;

export type LogEvent = WithInternal<LifecycleEvent>;

/** The logged events of some types. */
export type LogEventOf<Type extends LogEvent["type"]> = Extract<LogEvent, { type: Type }>;

export type TerminalEvent = LogEventOf<"execution.completed" | "execution.failed" | "execution.cancelled">;

/** A text beyond this, in UTF-16 units, is not kept where the stage's data does not hold it anyway. */
const KEPT_TEXT_CHARS = 64 * 1024;

/** How a completed call's text is kept: by the key of the data that holds it, else as it is. */
export function keepText(text: string | undefined, data: JsonObject): KeptText {
  if (text === undefined) return {};
  const field = Object.entries(data).find(([, value]) => value === text);
  if (field !== undefined) return { text_in: field[0] };
  return text.length <= KEPT_TEXT_CHARS ? { text } : {};
}

/** The streamed text of the call that this stage.completed ends; null where it is not known. */
export function keptText({ internal, data }: LogEventOf<"stage.completed">): string | null {
  if (internal?.text !== undefined) return internal.text;
  if (internal?.text_in === undefined) return null;
  const field = data.data?.[internal.text_in];
  return typeof field === "string" ? field : null;
}

/** The event as readers get it, as JSON. */
export function wireJson(event: LogEvent): string {
  if (event.internal === undefined) return JSON.stringify(event);
  const { internal: _, ...wire } = event;
  return JSON.stringify(wire);
}
