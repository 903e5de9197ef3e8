// The encoder of the AI SDK's UI message stream: every chunk is one that the versions know, by their own schemas, and
// what their own reader makes of the stream is the run. Events are those of released logs, and of runs made up here.
import { readUIMessageStream, type UIMessage, type UIMessageChunk, uiMessageChunkSchema } from "ai";
import { uiMessageChunkSchema as chunkSchema5 } from "ai5";
import { uiMessageChunkSchema as chunkSchema6 } from "ai6";
import { describe, expect, test } from "vitest";
import { AiSdkEncoder, type AiSdkOptions } from "../../../src/core/dialects/ai-sdk.ts";
import type { StreamEvent } from "../../../src/core/dialects/answer-fold.ts";
import { ENDED, readGolden } from "../../support/values/golden-logs.ts";
import { type Chunk, chunksIn, textIn } from "../../worker/facades/ai-sdk/chunks.ts";

const COMMON: AiSdkOptions = { isVersion7: false, reasoning: false };
const SEVEN: AiSdkOptions = { isVersion7: true, reasoning: false };
const ALL: AiSdkOptions[] = [COMMON, SEVEN, { ...COMMON, reasoning: true }, { ...SEVEN, reasoning: true }];

/** The schemas of the versions, each strict about types and members. */
const SCHEMAS = [chunkSchema5, chunkSchema6, uiMessageChunkSchema].map(
  (schema) => schema() as unknown as { validate(value: unknown): Promise<{ success: boolean }> },
);

async function expectKnown(chunks: readonly Chunk[], { isVersion7 }: AiSdkOptions): Promise<void> {
  for (const schema of isVersion7 ? SCHEMAS.slice(2) : SCHEMAS) {
    for (const chunk of chunks) {
      expect([chunk, (await schema.validate(chunk)).success]).toEqual([chunk, true]);
    }
  }
}

function encoded(events: readonly object[], options = COMMON): Chunk[] {
  const encoder = new AiSdkEncoder(options);
  const text = events.map((event) => encoder.push(event as StreamEvent)).join("");
  expect(encoder.isOver).toBe(true);
  return chunksIn(text);
}

/** What the SDK's own reader makes of them. */
async function messageOf(chunks: readonly Chunk[]): Promise<UIMessage | undefined> {
  const stream = new ReadableStream<UIMessageChunk>({
    start: (controller) => {
      for (const chunk of chunks) controller.enqueue(chunk as unknown as UIMessageChunk);
      controller.close();
    },
  });
  let last: UIMessage | undefined;
  for await (const message of readUIMessageStream({ stream, onError: () => {} })) last = message;
  return last;
}

function goldenEvents(name: string): StreamEvent[] {
  const data = readGolden(`${name}.sse.txt`).matchAll(/^data: (.*)$/gm);
  return Array.from(data, ([, json = ""]) => JSON.parse(json) as StreamEvent);
}

describe.each(ENDED)("the log %s", (name) => {
  const events = goldenEvents(name);

  test("is of chunks that the versions know, in every mode", async () => {
    for (const options of ALL) {
      const chunks = encoded(events, options);
      await expectKnown(chunks, options);
      expect(chunks[0]).toMatchObject({ type: "start", messageId: events[0]?.execution_id });
    }
  });

  test("ends as the run has ended", async () => {
    const end = events.at(-1)?.type;
    const chunks = encoded(events);
    const message = await messageOf(chunks);
    const status = end?.split(".")[1];
    expect(message?.metadata).toMatchObject({ status });
    expect(chunks.at(-1)?.type).toBe(
      { completed: "finish", failed: "error", cancelled: "abort" }[status ?? ""],
    );
  });
});

test.each(ENDED.filter((name) => goldenEvents(name).at(-1)?.type === "execution.completed"))(
  "the log %s has one message for who comes late and for who was there",
  async (name) => {
    const events = goldenEvents(name);
    for (const options of ALL) {
      const live = encoded(events, options);
      const late = encoded(
        events.filter(({ type }) => type !== "stage.delta"),
        options,
      );
      expect(textIn(live)).not.toBe("");
      expect(textIn(late)).toBe(textIn(live));
      const [one, two] = [await messageOf(live), await messageOf(late)];
      expect([two?.id, two?.metadata]).toEqual([one?.id, one?.metadata]);
    }
  },
);

test("the schemas refuse what a version does not know", async () => {
  const refusing = async (chunk: object) => {
    const verdicts = SCHEMAS.map(async (schema) => (await schema.validate(chunk)).success);
    return Promise.all(verdicts);
  };
  expect(await refusing({ type: "reset-step" })).toEqual([false, false, true]);
  expect(await refusing({ type: "text-start", id: 1 })).toEqual([false, false, false]);
});

/** A run whose events are made one by one. */
function made(stages: Record<string, string[]>) {
  let seq = 0;
  const events: object[] = [];
  const log = (type: string, more: object = {}) => {
    seq += 1;
    events.push({
      execution_id: "ex_1",
      seq,
      timestamp: "2026-01-01T00:00:00.000Z",
      type,
      message: type,
      ...more,
    });
  };
  const run = {
    events,
    log,
    begin: (type = "execution.started", more: object = {}) =>
      log(type, {
        status: type === "execution.queued" ? "queued" : "running",
        data: {
          conversation_id: "c",
          pipeline: "p",
          pipeline_version: 3,
          stages: Object.entries(stages).map(([stage, depends_on]) => ({
            name: stage,
            agent_type: "a",
            depends_on,
          })),
          ...more,
        },
      }),
    started: (stage: string, attempt = 1) =>
      log("stage.started", { stage, attempt, status: "running", data: {} }),
    delta: (stage: string, partial_answer: string, offset: number, attempt = 1) =>
      events.push({
        execution_id: "ex_1",
        type: "stage.delta",
        stage,
        attempt,
        data: { partial_answer, offset },
      }),
    completed: (stage: string, data: object, more: object = {}) =>
      log("stage.completed", {
        stage,
        attempt: 1,
        status: "completed",
        data: {
          data,
          duration_ms: 5,
          cached: false,
          error: null,
          fallback: null,
          answered_by: null,
          ...more,
        },
      }),
    end: (status = "completed", more: object = {}) =>
      log(`execution.${status}`, {
        status,
        data: { duration_ms: 9, usage: null, error_info: null, ...more },
      }),
  };
  run.begin();
  return run;
}

const types = (chunks: readonly Chunk[]) => chunks.map(({ type, id }) => [type, id].join(" ").trim());

/** The first of two last stages says something wrong and is tried again while the second one writes. */
function twoAnswers() {
  const run = made({ one: [], two: [] });
  run.started("one");
  run.started("two");
  run.delta("one", "Wrong", 0);
  run.delta("two", "Second", 0);
  run.completed("two", { answer: "Second.", citations: [{ url: "https://example.org/" }] });
  run.started("one", 2);
  run.delta("one", "Right", 0, 2);
  run.completed("one", { answer: "Right" });
  run.end();
  return run.events;
}

test("text that is taken back is marked where it cannot be removed", async () => {
  const chunks = encoded(twoAnswers());
  await expectKnown(chunks, COMMON);
  expect(chunks).toContainEqual({
    type: "text-end",
    id: "one-2",
    providerMetadata: { coordinator: { superseded: true, stage: "one" } },
  });
  expect(textIn(chunks)).toBe("Second.Right");
  const message = await messageOf(chunks);
  const texts = message?.parts.flatMap((part) => (part.type === "text" ? [part.text] : []));
  expect(texts).toEqual(["Wrong", "Second.", "Right"]);
});

test("version 7 begins the step again, with what was beside it", async () => {
  const chunks = encoded(twoAnswers(), SEVEN);
  await expectKnown(chunks, SEVEN);
  const reset = chunks.findIndex(({ type }) => type === "reset-step");
  expect(types(chunks.slice(reset, reset + 6))).toEqual([
    "reset-step",
    "text-start two-3",
    "text-delta two-3",
    "text-end two-3",
    "source-url",
    "text-start one-5",
  ]);
  const message = await messageOf(chunks);
  const texts = message?.parts.flatMap((part) => (part.type === "text" ? [part.text] : []));
  expect(texts).toEqual(["Second.", "Right"]);
  expect(message?.parts.filter(({ type }) => type === "source-url")).toHaveLength(1);
  // They are before the step.
  expect(message?.parts.filter(({ type }) => type === "data-stage")).toHaveLength(2);
});

test.each(["waiting", "answered"])(
  "a question that is %s outlasts its step's new beginning",
  async (status) => {
    const run = made({ one: [], ask: [] });
    const prompt = { question: "Publish?" };
    run.started("one");
    run.delta("one", "Wrong", 0);
    run.log("stage.waiting", {
      stage: "ask",
      attempt: 1,
      status: "waiting",
      data: { reason: "wait", prompt },
    });
    if (status === "answered") run.completed("ask", { approved: true });
    run.started("one", 2);
    run.delta("one", "Right", 0, 2);
    run.completed("one", { answer: "Right" });
    run.end("cancelled");
    const message = await messageOf(encoded(run.events, SEVEN));
    const parts = message?.parts.filter(({ type }) => type === "data-wait");
    expect(parts).toMatchObject([{ id: "ask", data: { prompt, status } }]);
  },
);

test("an attempt that says the same again changes nothing", () => {
  const run = made({ s: [] });
  run.started("s");
  run.delta("s", "The same", 0);
  run.started("s", 2);
  run.delta("s", "The", 0, 2);
  run.delta("s", " same and more", 3, 2);
  run.completed("s", { answer: "The same and more" });
  run.end();
  for (const options of [COMMON, SEVEN]) {
    const chunks = encoded(run.events, options);
    expect(chunks.filter(({ type }) => type === "text-start")).toHaveLength(1);
    expect(chunks.flatMap(({ delta }) => delta ?? [])).toEqual(["The same", " and more"]);
  }
});

test("text of a stage that fails for good is taken back in both modes", () => {
  const run = made({ s: [] });
  run.started("s");
  run.delta("s", "Half", 0);
  const error = { code: "AGENT_PROCESSING_ERROR", message: "no", retryable: false };
  run.log("stage.failed", {
    stage: "s",
    attempt: 1,
    status: "failed",
    data: { data: null, duration_ms: 1, cached: false, error, fallback: null, answered_by: null },
  });
  run.end("failed", { error_info: { code: "AGENT_PROCESSING_ERROR", message: "s: no" } });
  expect([textIn(encoded(run.events)), textIn(encoded(run.events, SEVEN))]).toEqual(["", ""]);
  const chunks = encoded(run.events);
  expect(chunks.slice(-2)).toMatchObject([
    { type: "message-metadata", messageMetadata: { status: "failed", error: { message: "s: no" } } },
    { type: "error", errorText: "s: no" },
  ]);
});

test("sources are parts with what a page shows of them", () => {
  const run = made({ s: [] });
  run.started("s");
  const citations = [
    { index: 4, title: "A page", url: "https://example.org/a", heading: "H", reference: "R" },
    { document: "paper.pdf" },
    { url: "javascript:alert(1)", title: "No address" },
    "no citation",
  ];
  run.completed("s", { answer: "A [4]", citations });
  run.end("completed", { usage: { input_tokens: 1, output_tokens: 2 } });
  const chunks = encoded(run.events);
  expect(chunks.filter(({ type }) => type.startsWith("source-"))).toEqual([
    {
      type: "source-url",
      sourceId: "ex_1.s.c4",
      url: "https://example.org/a",
      title: "A page",
      providerMetadata: { coordinator: { index: 4, heading: "H", reference: "R" } },
    },
    {
      type: "source-document",
      sourceId: "ex_1.s.c2",
      mediaType: "application/pdf",
      title: "paper.pdf",
      filename: "paper.pdf",
      providerMetadata: { coordinator: { index: 2 } },
    },
    {
      type: "source-document",
      sourceId: "ex_1.s.c3",
      mediaType: "text/markdown",
      title: "No address",
      providerMetadata: { coordinator: { index: 3 } },
    },
  ]);
  expect(chunks.at(-1)).toMatchObject({
    messageMetadata: { usage: { inputTokens: 1, outputTokens: 2, totalTokens: 3 } },
  });
});

test.each([
  ["answered", "stage.completed", "key:k"],
  ["expired", "stage.completed", "timeout"],
  ["expired", "stage.skipped", null],
  ["cancelled", "stage.cancelled", null],
])("a question is a part, which is %s by %s", (status, type, answered_by) => {
  const run = made({ ask: [], s: ["ask"] });
  const prompt = { question: "Really?" };
  const expires_at = "2026-01-02T00:00:00.000Z";
  const waits = { stage: "ask", attempt: 1, status: "waiting" };
  run.log("stage.waiting", { ...waits, data: { reason: "wait", prompt, schema: null, expires_at } });
  if (type === "stage.completed") run.completed("ask", { approved: true }, { answered_by });
  else run.log(type, { stage: "ask", status: type.split(".")[1], data: { reason: "r" } });
  run.end("cancelled");
  const parts = encoded(run.events).filter((chunk) => chunk.type === "data-wait");
  const data = {
    stage: "ask",
    seq: 2,
    prompt,
    schema: null,
    expires_at,
    answer: "/v1/executions/ex_1/stages/ask/complete",
  };
  expect(parts).toEqual([
    { type: "data-wait", id: "ask", data: { ...data, status: "waiting" } },
    { type: "data-wait", id: "ask", data: { ...data, status } },
  ]);
});

test("an agent that answers later is no question", () => {
  const run = made({ s: [] });
  run.started("s");
  const expires_at = "2026-01-02T00:00:00.000Z";
  run.log("stage.waiting", {
    stage: "s",
    attempt: 1,
    status: "waiting",
    data: { reason: "callback", expires_at },
  });
  run.completed("s", { answer: "Late" });
  run.end();
  const chunks = encoded(run.events);
  expect(chunks.filter(({ type }) => type === "data-wait")).toEqual([]);
  expect(chunks).toContainEqual(
    expect.objectContaining({ type: "data-stage", data: expect.objectContaining({ status: "waiting" }) }),
  );
});

test("a run that has waited for another has one start", () => {
  const { events, begin, end } = made({ s: [] });
  events.length = 0;
  begin("execution.queued", { behind: "ex_0", position: 2 });
  begin();
  end();
  const chunks = encoded(events);
  expect(types(chunks)).toEqual(["start", "data-stage s", "message-metadata", "finish"]);
  expect(chunks[0]).toMatchObject({ messageMetadata: { status: "queued", behind: "ex_0", position: 2 } });
});

test("a stream that is lost says that the run goes on, and is over", () => {
  const encoder = new AiSdkEncoder(COMMON);
  for (const event of made({ s: [] }).events) encoder.push(event as StreamEvent);
  const chunks = chunksIn(encoder.lost());
  expect([encoder.isOver, chunks]).toEqual([
    true,
    [{ type: "error", errorText: expect.stringContaining("the run goes on") }],
  ]);
});
