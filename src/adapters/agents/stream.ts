// An agent's event stream: `delta` and `progress` are passed on as they come, and exactly one last `result` or
// `error` ends it. The end without either is a truncated stream.
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { AgentDelta, AgentProgress } from "../../contract/agent.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { CallOutcome } from "../../core/execution/command.ts";
import { readJson } from "../../core/json.ts";
import type { CallHooks } from "../../engine/ports.ts";
import { bodyFailure, clip, parseAnswer, readProblem, problemDetail } from "./parse.ts";
import { bodyText } from "./body.ts";

/** An agent that has given its result and does not close its stream is not waited for longer than this. */
const CLOSE_GRACE_MS = 1_000;

export async function readStream(
  body: ReadableStream<Uint8Array>,
  status: number,
  hooks: CallHooks,
): Promise<CallOutcome> {
  const reading = new StreamReading(status, hooks);
  const parser = createParser({ onEvent: (event) => reading.take(event) });
  const pieces = bodyText(body, LIMITS.AGENT_BODY_BYTES, hooks);
  try {
    for (;;) {
      const next = await (reading.outcome === null ? pieces.next() : orSilence(pieces.next()));
      if (next === "silence" || next.done === true) break;
      parser.feed(next.value);
      if (reading.broken) break;
    }
  } catch (cause) {
    // A connection that is lost behind the result has lost nothing.
    if (reading.outcome === null) return { ok: false, failure: bodyFailure(cause, status) };
  } finally {
    void pieces.return(undefined).catch(() => {});
  }
  return (
    reading.outcome ?? {
      ok: false,
      failure: { kind: "truncated", detail: "the stream ended without result or error" },
    }
  );
}

class StreamReading {
  outcome: CallOutcome | null = null;
  /** Something came that the contract does not know; nothing behind it counts. */
  broken = false;
  private readonly status: number;
  private readonly hooks: CallHooks;

  constructor(status: number, hooks: CallHooks) {
    this.status = status;
    this.hooks = hooks;
  }

  take(event: EventSourceMessage): void {
    if (this.broken) return;
    if (this.outcome !== null) {
      this.breach(`an event ${clip(event.event ?? "message")} stands behind the last one`);
      return;
    }
    switch (event.event) {
      case "delta":
        this.takePart(AgentDelta, event, ({ text }) => this.hooks.delta(text));
        return;
      case "progress":
        this.takePart(AgentProgress, event, (progress) =>
          this.hooks.progress({ ...progress, message: clip(progress.message) }),
        );
        return;
      case "result":
        this.outcome = parseAnswer(event.data, this.status);
        return;
      case "error": {
        const problem = readProblem(event.data);
        if (problem === null) {
          this.breach("an error event is not problem details");
          return;
        }
        const failure = {
          kind: "stream_error" as const,
          status: problem.status ?? null,
          detail: problemDetail(problem),
          retryable: problem.retryable ?? null,
        };
        this.outcome = { ok: false, failure };
        return;
      }
      default:
        // Unknown events are for other readers: a stream may grow.
        return;
    }
  }

  private takePart<T>(
    schema: { safeParse(value: unknown): { success: true; data: T } | { success: false } },
    event: EventSourceMessage,
    pass: (part: T) => void,
  ): void {
    const json = readJson(event.data);
    const part = json.ok ? schema.safeParse(json.value) : null;
    if (part?.success) pass(part.data);
    else this.breach(`a ${event.event} event is malformed`);
  }

  private breach(detail: string): void {
    this.broken = true;
    this.outcome = { ok: false, failure: { kind: "contract", detail, status: this.status } };
  }
}

async function orSilence<T>(next: Promise<T>): Promise<T | "silence"> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<"silence">((resolve) => {
    timer = setTimeout(() => resolve("silence"), CLOSE_GRACE_MS);
  });
  try {
    return await Promise.race([next, silence]);
  } finally {
    clearTimeout(timer);
  }
}
