// What every protocol shows of a call that waits for its agent, and of a run that is paused because a budget is spent: the
// stream rests or ends as at any other pause, and no text changes.
import { uiMessageChunkSchema } from "ai";
import { uiMessageChunkSchema as chunkSchema5 } from "ai5";
import { uiMessageChunkSchema as chunkSchema6 } from "ai6";
import { describe, expect, test } from "vitest";
import { A2aEncoder } from "../../../src/core/dialects/a2a/encoder.ts";
import type { StreamEvent } from "../../../src/core/dialects/answer-fold.ts";
import { McpEncoder } from "../../../src/core/dialects/mcp.ts";
import { chatContent, type Message, messagesOf, PROTOCOLS } from "./readers.ts";

const UNTIL = "2026-01-01T00:00:05.000Z";

/** Logged events of a run with one stage. */
function run(...events: Record<string, unknown>[]): StreamEvent[] {
  const stages = [{ name: "s0", agent_type: "a", depends_on: [] }];
  const started = { type: "execution.started", status: "running", data: { pipeline: "p", stages } };
  return [started, ...events].map((event, at) => ({
    execution_id: "e",
    message: event["type"],
    data: {},
    ...(event["type"] === "stage.delta" ? {} : { seq: at + 1, timestamp: "2026-01-01T00:00:00.000Z" }),
    ...event,
  })) as unknown as StreamEvent[];
}

const queued = (reason: string, until?: string) => ({
  type: "stage.queued",
  stage: "s0",
  attempt: 1,
  status: "pending",
  message: "s0 waits for its agent",
  data: { reason, ...(until === undefined ? {} : { until }) },
});
const begins = { type: "stage.started", stage: "s0", attempt: 1, status: "running" };
const delta = {
  type: "stage.delta",
  stage: "s0",
  attempt: 1,
  data: { partial_answer: "Yes", offset: 0 },
};
const ends = {
  type: "stage.completed",
  stage: "s0",
  attempt: 1,
  status: "completed",
  data: { data: { answer: "Yes" }, error: null, duration_ms: 4, cached: false, fallback: null },
};
const over = {
  type: "execution.completed",
  status: "completed",
  data: {
    execution_id: "e",
    status: "completed",
    start_time: UNTIL,
    end_time: UNTIL,
    usage: {},
    error_info: null,
    final_stages: [],
  },
};
const budget = {
  spent: { cost_usd: 0.02, tokens: 9 },
  limit: { cost_usd: 0.01 },
  by_stage: { s0: { cost_usd: 0.02, tokens: 9 } },
};
const paused = (data: object) => ({
  type: "execution.paused",
  status: "paused",
  message: "paused (drain)",
  data,
});
const manual = paused({ mode: "drain" });
const overspent = paused({ mode: "drain", reason: "budget", ...budget });

const encoderOf = (name: string) => PROTOCOLS[name]?.encoder() ?? expect.unreachable();
const messages = (name: string, events: StreamEvent[]): Message[] => messagesOf(encoderOf(name), events);
const mcp = () => new McpEncoder({ id: 1, frame: {}, progressToken: "t" });

describe("a call that waits for its agent", () => {
  const events = run(queued("retry_after", UNTIL), queued("concurrency"), begins, delta, ends, over);

  test.each(Object.keys(PROTOCOLS))("changes no text of %s", (name) => {
    expect(PROTOCOLS[name]?.read(messages(name, events))).toEqual({ s0: "Yes" });
    expect(chatContent(events)).toBe("Yes");
  });

  test("is a stage's part to the AI SDK, which all its versions know", async () => {
    const chunks = messages("AI SDK", events);
    const parts = chunks.filter(({ type }) => type === "data-stage").map(({ data }) => data);
    expect(parts.slice(0, 4)).toEqual([
      { stage: "s0", agent_type: "a", status: "pending" },
      expect.objectContaining({ status: "queued", reason: "retry_after", until: UNTIL, attempt: 1 }),
      expect.objectContaining({ status: "queued", reason: "concurrency" }),
      expect.objectContaining({ status: "running" }),
    ]);
    expect(parts[3]).not.toHaveProperty("reason");
    for (const schema of [chunkSchema5(), chunkSchema6(), uiMessageChunkSchema()] as Message[]) {
      for (const chunk of chunks) {
        expect([chunk, (await schema.validate(chunk)).success]).toEqual([chunk, true]);
      }
    }
  });

  test("is state of its stage to AG-UI, and leaves no reason once it is called", () => {
    const patches = messages("AG-UI", events).flatMap(({ type, delta: patch }) =>
      type === "STATE_DELTA" ? [patch] : [],
    );
    const at = (key: string) => `/coordinator/stages/s0/${key}`;
    expect(patches.slice(0, 3)).toEqual([
      [
        { op: "replace", path: at("status"), value: "queued" },
        { op: "add", path: at("reason"), value: "retry_after" },
        { op: "add", path: at("until"), value: UNTIL },
      ],
      [
        { op: "replace", path: at("reason"), value: "concurrency" },
        { op: "remove", path: at("until") },
      ],
      [
        { op: "remove", path: at("reason") },
        { op: "replace", path: at("status"), value: "running" },
        { op: "add", path: at("attempt"), value: 1 },
      ],
    ]);
  });

  test("is progress to MCP, and an update of a task that works to A2A", () => {
    const [, progress] = messagesOf(mcp(), events);
    expect(progress.params).toEqual({
      progressToken: "t",
      progress: 2,
      message: "s0: s0 waits for its agent",
    });
    const [, update] = messages("A2A", events).map(({ result }) => result.statusUpdate);
    expect(update).toMatchObject({
      status: { state: "TASK_STATE_WORKING", message: { parts: [{ text: "s0 waits for its agent" }] } },
      metadata: { "coordinator/type": "stage.queued" },
    });
  });
});

describe("a pause because a budget is spent", () => {
  test.each([...Object.keys(PROTOCOLS), "MCP"])(
    "ends or keeps the stream of %s as any pause does",
    (name) => {
      const restOf = (event: Record<string, unknown>) => {
        const encoder = name === "MCP" ? mcp() : encoderOf(name);
        const kinds = messagesOf(encoder, run(begins, event)).map(
          (message: Message) => message.type ?? Object.keys(message),
        );
        return { kinds, isOver: encoder.isOver };
      };
      expect(restOf(overspent)).toEqual(restOf(manual));
      const ending = name === "AG-UI" || name === "A2A";
      expect(restOf(overspent).isOver).toBe(ending);
    },
  );

  test("says what is spent where a pause has members for it", () => {
    const named = { ...budget, scope: "tag:user" };
    const ofScope = paused({ mode: "drain", reason: "budget", ...named });
    const interrupts = (event: Record<string, unknown>) =>
      messages("AG-UI", run(begins, event)).at(-1).outcome.interrupts[0];
    expect(interrupts(overspent)).toMatchObject({
      id: "e.3",
      reason: "coordinator:paused",
      metadata: { execution_id: "e", mode: "drain", budget },
    });
    expect(interrupts(ofScope).metadata.budget).toEqual(named);
    expect(interrupts(manual).metadata).toEqual({ execution_id: "e", mode: "drain" });
    const parts = (event: Record<string, unknown>) =>
      messages("A2A", run(begins, event)).at(-1).result.statusUpdate.status.message.parts;
    expect(parts(overspent)).toEqual([...parts(manual), { data: { budget }, mediaType: "application/json" }]);
  });

  test("is in the AI SDK's metadata until the run goes on", () => {
    const resumed = { type: "execution.resumed", status: "running" };
    const known = messages("AI SDK", run(overspent, resumed, manual)).flatMap(({ type, messageMetadata }) =>
      type === "message-metadata" ? [messageMetadata] : [],
    );
    expect(known).toEqual([
      { status: "paused", budget },
      { status: "running", budget: null },
      { status: "paused" },
    ]);
  });

  test("that an A2A client has answered does not end its stream again", () => {
    const encoder = new A2aEncoder({ id: 1, contextId: "c", answeredUpTo: 3 });
    const resumed = { type: "execution.resumed", status: "running" };
    messagesOf(encoder, run(begins, overspent, resumed));
    expect(encoder.isOver).toBe(false);
  });
});
