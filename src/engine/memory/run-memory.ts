// The memory accounting of one run: its state, and the texts of its calls as they arrive. An answer, or a text, for
// which the isolate has no room is a failure of its call.
import { jsonWeight, textWeight } from "../../core/json/json-weight.ts";
import type { CallOutcome } from "../../core/execution/command.ts";
import type { ExecutionState } from "../../core/execution/state.ts";
import type { CallFailure } from "../../core/resilience/classify.ts";
import type { RunSpec } from "../../core/execution/run-spec.ts";
import { TIMINGS } from "../../core/timings.ts";
import type { MemoryShare } from "../ports.ts";

/** What a run takes before any of its stages has an answer, in bytes. */
export function specWeight({ query, history, context, inputs, reused = [] }: RunSpec): number {
  const taken = reused.reduce(
    (sum, { result, patch }) => sum + jsonWeight(result.data) + jsonWeight(patch),
    0,
  );
  return (
    TIMINGS.ISOLATE_RUN_BYTES +
    textWeight(query) +
    jsonWeight(history) +
    jsonWeight(context) +
    jsonWeight(inputs) +
    taken
  );
}

/** What a run takes as it is, in bytes. */
function stateWeight(state: ExecutionState): number {
  const data = state.stages.reduce((sum, { result, items, values, previous }) => {
    const ofItems = items?.units.reduce((of, unit) => of + jsonWeight(unit.result.data), 0);
    return sum + jsonWeight(result.data) + jsonWeight(previous) + jsonWeight(values) + (ofItems ?? 0);
  }, 0);
  return specWeight({ ...state.spec, context: state.context }) + data;
}

export class RunMemory {
  private readonly share: MemoryShare | undefined;
  private kept = 0;
  /** Of results of the cache. */
  private cached = 0;
  /** Of the texts of calls in flight, by call. */
  private readonly texts = new Map<number, number>();

  /** @param state what is in memory already */
  constructor(share: MemoryShare | undefined, state: ExecutionState | null) {
    this.share = share;
    if (share === undefined || state === null) return;
    this.kept = stateWeight(state);
    share.keep(this.kept);
  }

  /** The run has been started with this. */
  started(spec: RunSpec): void {
    if (this.share === undefined) return;
    this.kept = specWeight(spec);
    this.share.keep(this.kept);
  }

  /** Accounts for more text of a call; returns the call's failure if there is no room for it. */
  addText(call: number, text: string): CallFailure | null {
    if (this.share === undefined) return null;
    const before = this.texts.get(call) ?? 0;
    const after = before + textWeight(text);
    this.texts.set(call, after);
    // Requesting memory per piece would cost as much as the text.
    if (Math.floor(before / STEP) === Math.floor(after / STEP) || this.share.take(this.total)) return null;
    return { kind: "isolate_full", bytes: after };
  }

  /** Results of the cache hold so many bytes; false, and nothing changed, where there is no room for more. */
  caches(bytes: number): boolean {
    const before = this.cached;
    if (this.share === undefined || bytes === before) return true;
    this.cached = bytes;
    if (bytes < before) this.share.keep(this.total);
    else if (!this.share.take(this.total)) this.cached = before;
    return this.cached === bytes;
  }

  /** The outcome of a call that has ended, or its failure where its answer does not fit. */
  answered(call: number, outcome: CallOutcome): CallOutcome {
    this.ended(call);
    if (this.share === undefined || outcome.ok !== true) return outcome;
    const { data, context } = outcome.answer;
    const bytes = jsonWeight(data) + jsonWeight(context);
    this.kept += bytes;
    if (this.share.take(this.total)) return outcome;
    this.kept -= bytes;
    return { ok: false, failure: { kind: "isolate_full", bytes } };
  }

  /** The call has ended, if without an answer, and its text with it. */
  ended(call: number): void {
    if (this.texts.delete(call)) this.share?.keep(this.total);
  }

  /** The run has ended. */
  over(): void {
    this.share?.leave();
  }

  /** The run has ended, and stays: its reports were refused. */
  stays(): void {
    this.share?.keep(this.total);
  }

  private get total(): number {
    let sum = this.kept + this.cached;
    for (const bytes of this.texts.values()) sum += bytes;
    return sum;
  }
}

/** What a text holds is taken by so much at a time, in bytes. */
const STEP = 64 * 1024;
