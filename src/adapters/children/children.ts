// The executions that stages of another one run: each is started, or found, by its id, and its events are followed across
// restarts of its object, until it ends or rests. A call of these objects costs no connection of the agents'.
import type { PipelineExecution } from "../../contract/execution.ts";
import type { Usage } from "../../contract/stage.ts";
import { addUsage } from "../../contract/usage.ts";
import type { JsonObject } from "../../contract/json.ts";
import type { CallOutcome } from "../../core/execution/command.ts";
import type { RunSpec } from "../../core/execution/run-spec.ts";
import type { SeenChild, SpentBudget } from "../../core/execution/state.ts";
import type { EventOf, LifecycleEvent } from "../../contract/event.ts";
import type { StreamEvent } from "../../core/dialects/answer-fold.ts";
import { unitName } from "../../core/execution/units/unit-name.ts";
import { parseJson } from "../../core/json/exact-integer.ts";
import { answerBytes } from "../../core/json/weight.ts";
import { sinks } from "../../core/pipeline/graph.ts";
import { TIMINGS } from "../../core/timings.ts";
import { type ChildEnd, endOf, isComplete, refusalOf, type StreamEnd } from "../../engine/object-protocol.ts";
import type { CallHooks, Children, Clock } from "../../engine/ports.ts";
import { wholeText } from "../../engine/watch/text-stream.ts";
import type { Executions } from "../../engine/worker-ports.ts";

type Hooks = Pick<CallHooks, "signal" | "delta" | "usage">;

export function childrenOver(executions: Executions, clock: Clock): Children {
  return { follow: (spec, seen, hooks) => new Following(executions, clock, spec, seen, hooks).outcome() };
}

class Following {
  private readonly executions: Executions;
  private readonly clock: Clock;
  private readonly spec: RunSpec;
  private readonly hooks: Hooks;
  /** The stage whose text is the answer's; null where there are several, or its items have texts of their own. */
  private readonly answering: string | null;
  /** Its last event that was read. */
  private seq: number;
  /** Tries to take the stream up again since it last gave an event. */
  private tries = 0;
  private isSaid = false;
  /** The units whose questions are open, or have some within. */
  private readonly asking: Set<string>;
  /** A budget of the config by which it is paused. */
  private overspent: SpentBudget | null = null;
  /** What its units have used, where its run has a budget; those of an earlier rest together. */
  private readonly used = new Map<string, Usage>();

  constructor(executions: Executions, clock: Clock, spec: RunSpec, seen: SeenChild | null, hooks: Hooks) {
    this.executions = executions;
    this.clock = clock;
    this.spec = spec;
    this.seq = seen?.seq ?? 0;
    this.asking = new Set(seen?.asking);
    this.hooks = hooks;
    if (seen?.usage !== undefined) this.used.set("", seen.usage);
    const [last, ...others] = sinks(spec.stages);
    this.answering = others.length === 0 && last?.map === undefined ? (last?.name ?? null) : null;
  }

  async outcome(): Promise<CallOutcome> {
    const { execution_id } = this.spec;
    for (;;) {
      const wait_ms = TIMINGS.REATTACH_MS[this.tries];
      if (wait_ms === undefined)
        return failed("INTERNAL_ERROR", `its execution ${execution_id} does not answer`);
      this.tries += 1;
      if (wait_ms > 0) await this.pause(wait_ms);
      if (this.hooks.signal.aborted) return { ok: false, failure: { kind: "rejected" } };
      try {
        const outcome = await this.attempt();
        if (outcome !== null) return outcome;
      } catch {
        // Its object has been reset, or the stream was cut: the next one goes on after the last event.
      }
    }
  }

  /** Null where the stream has stopped before its end. */
  private async attempt(): Promise<CallOutcome | null> {
    const { tenant, execution_id, digest } = this.spec;
    const after = this.seq;
    const response = await this.executions.follow(
      tenant,
      execution_id,
      {
        digest,
        // One that has events is there.
        spec: after === 0 ? this.spec : null,
        health: null,
        answer: "stream",
        after,
        rests: true,
        ...(after === 0 ? {} : { reattach: true as const }),
      },
      this.hooks.signal,
    );
    const refusal = await refusalOf(response);
    if (refusal !== null) {
      const isPassing = refusal.code === "INTERNAL_ERROR" || refusal.code === "RESOURCE_EXHAUSTED";
      return isPassing
        ? null
        : failed(refusal.code, `its execution ${execution_id} cannot be followed: ${refusal.code}`);
    }
    if (isComplete(response)) return this.ended(await this.read());
    const since = this.clock.now();
    try {
      return await this.passOn(response.body as ReadableStream<Uint8Array>);
    } finally {
      // Silent for so long, it was well.
      if (this.clock.now() - since >= TIMINGS.REST_PROVEN_MS) this.tries = 0;
    }
  }

  private async passOn(body: ReadableStream<Uint8Array>): Promise<CallOutcome | null> {
    // Not one string: to look for the end of a large event in all that is there of it would cost its square.
    let held: string[] = [];
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return this.stopped(endOf(new TextEncoder().encode(held.join(""))));
        const isCut = value.startsWith("\n") && held.at(-1)?.endsWith("\n") === true;
        held.push(value);
        if (!isCut && !value.includes("\n\n")) continue;
        const messages = held.join("").split("\n\n");
        held = [messages.pop() ?? ""];
        for (const message of messages) {
          const end = this.take(message);
          if (end !== null) return this.ended(end);
        }
      }
    } finally {
      void reader.cancel().catch(() => {});
    }
  }

  /** The execution at its end, where the message has it. */
  private take(message: string): PipelineExecution | null {
    const seq = /\nid: (\d+)$/.exec(message.slice(-24))?.[1];
    if (seq !== undefined) {
      this.seq = Number(seq);
      this.tries = 0;
    }
    // Most events are of no concern here, and may be large; each may be that of a unit that had asked.
    const type = /^event: (.*)$/m.exec(message)?.[1] ?? "";
    const isConcern = CONCERNS.has(type) || (this.spec.budget !== undefined && ENDS.has(type));
    if (!isConcern && (seq === undefined || this.asking.size === 0)) return null;
    const event = parseJson(/^data: (.*)$/m.exec(message)?.[1] ?? "") as StreamEvent;
    if ("seq" in event) this.note(event);
    switch (event.type) {
      case "execution.completed":
      case "execution.failed":
      case "execution.cancelled":
        return event.data;
      case "execution.paused":
        this.overspent = spentBudget(event.data);
        return null;
      case "execution.resumed":
        this.overspent = null;
        return null;
      case "stage.started":
        if (event.stage === this.answering && this.isSaid) this.say("", 0);
        return null;
      case "stage.delta":
        if (event.stage === this.answering) this.say(event.data.partial_answer, event.data.offset);
        return null;
      case "stage.completed":
      case "stage.failed":
        this.spend(event);
        return null;
      default:
        return null;
    }
  }

  /** A unit asks until its next event, which may be none but its answer. */
  private note(event: LifecycleEvent): void {
    if (!("stage" in event) || event.stage === undefined) return;
    const unit = unitName(event.stage, event.item);
    const asks =
      event.type === "stage.waiting" &&
      (event.data.reason === "wait" || (event.data.reason === "execution" && event.data.asks === true));
    if (asks) this.asking.add(unit);
    else this.asking.delete(unit);
  }

  /** Its run counts what it has used so far. */
  private spend({ stage, item, data }: EventOf<"stage.completed" | "stage.failed">): void {
    if (this.spec.budget === undefined || data.usage === null || data.reused_from !== null) return;
    // The end of a stage that maps has the usage of all its items.
    if (item === undefined)
      for (const unit of this.used.keys()) if (unit.startsWith(`${stage}[`)) this.used.delete(unit);
    this.used.set(unitName(stage, item), data.usage);
    this.hooks.usage?.(this.sum());
  }

  private sum(): Usage {
    return [...this.used.values()].reduce<Usage>((sum, usage) => addUsage(sum, usage), {});
  }

  private say(text: string, offset: number): void {
    this.isSaid = true;
    this.hooks.delta(text, offset);
  }

  private async stopped(end: StreamEnd | null): Promise<CallOutcome | null> {
    if (end === null) return null;
    if (end === "terminal") return this.ended(await this.read());
    const usage = this.used.size === 0 ? {} : { usage: this.sum() };
    const overspent = this.overspent === null ? {} : { overspent: this.overspent };
    return { ok: "rests", seen: { seq: this.seq, asking: [...this.asking], ...usage, ...overspent } };
  }

  private async ended(execution: PipelineExecution): Promise<CallOutcome> {
    const { execution_id, status, error_info } = execution;
    // What readers are shown may be without the bulk.
    const { data, usage } =
      execution.truncated === true
        ? await this.whole()
        : { data: execution.final_result, usage: execution.usage };
    const used = Object.keys(usage).length === 0 ? {} : { usage };
    if (status === "failed" && error_info !== null) {
      const message = `its execution ${execution_id} has failed: ${error_info.message}`;
      return { ...failed(error_info.code, message), ...used };
    }
    if (status !== "completed") {
      return { ...failed("AGENT_PROCESSING_ERROR", `its execution ${execution_id} was cancelled`), ...used };
    }
    const answer = { data: objectOf(data), ...used };
    return { ok: true, answer, bytes: answerBytes(answer) };
  }

  private async read(): Promise<PipelineExecution> {
    const { tenant, execution_id } = this.spec;
    const found = await this.executions.rpc(tenant, execution_id).read();
    if (!found.ok) throw new Error(found.error.code);
    return parseJson(await wholeText(found.value.json)) as PipelineExecution;
  }

  private async whole(): Promise<ChildEnd> {
    const { tenant, execution_id } = this.spec;
    const found = await this.executions.rpc(tenant, execution_id).ending();
    if (!found.ok) throw new Error(found.error.code);
    return parseJson(await wholeText(found.value)) as ChildEnd;
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.clock.after(ms, resolve);
    });
  }
}

const CONCERNS: ReadonlySet<string> = new Set([
  "execution.completed",
  "execution.failed",
  "execution.cancelled",
  "execution.paused",
  "execution.resumed",
  "stage.started",
  "stage.waiting",
  "stage.delta",
] satisfies StreamEvent["type"][]);

const ENDS: ReadonlySet<string> = new Set([
  "stage.completed",
  "stage.failed",
] satisfies StreamEvent["type"][]);

function spentBudget(data: EventOf<"execution.paused">["data"]): SpentBudget | null {
  if (!("reason" in data) || data.scope === undefined) return null;
  return { scope: data.scope, spent_usd: data.spent.cost_usd ?? 0, limit_usd: data.limit.cost_usd ?? 0 };
}

/** A stage's data is an object: where the last stage was skipped there is nothing in it. */
function objectOf(data: unknown): JsonObject {
  return typeof data === "object" && data !== null && !Array.isArray(data) ? (data as JsonObject) : {};
}

function failed(code: string, message: string): Extract<CallOutcome, { ok: false }> {
  return { ok: false, failure: { kind: "execution", code, message } };
}
