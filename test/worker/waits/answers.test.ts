// Questions that are answered with a key, in real workerd over HTTP: asked, shown, answered once, refused and over.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KEYS } from "../../support/clients/keys.ts";
import { lifecycle, readEvents } from "../../support/clients/sse.ts";
import { type Asking, SCHEMA, startAsking } from "./asking.ts";

let asking: Asking;
beforeAll(async () => {
  asking = await startAsking();
});
afterAll(() => asking.close());

const api: Asking["api"] = (...call) => asking.api(...call);
const fail = (id: string, message: string) =>
  api("POST", `/v1/executions/${id}/stages/approval/fail`, { message });

test("a caller who waits for JSON gets 202 with the open question, and a stream sees the answer", async () => {
  await asking.open();
  const run = { pipeline: "asks1", query: "q", conversation_id: "c" };
  const asked = await api("POST", "/v1/executions", run);
  expect(asked).toMatchObject({ status: 202, body: { status: "waiting" } });
  const { execution_id: id, stream_url, stage_results } = asked.body;
  expect(stage_results.approval).toMatchObject({
    status: "waiting",
    agent_type: null,
    attempts: 0,
    data: null,
  });
  const events = asking.coordinator.fetch(stream_url).then((response) => readEvents(response));
  const again = await api("GET", `/v1/executions/${id}`);
  expect(again.body).toMatchObject({ status: "waiting", stream_url: expect.stringContaining("token=") });
  const answered = await asking.complete(id, { approved: true });
  expect(answered).toMatchObject({
    status: 200,
    body: { stage: "approval", status: "completed", data: { approved: true } },
  });
  const key = answered.body.answered_by;
  expect(key).toMatch(/^key:[0-9a-f]{8}$/);
  const seen = lifecycle(await events);
  expect(seen.find(({ event }) => event === "stage.waiting")?.data).toMatchObject({
    stage: "approval",
    status: "waiting",
    data: {
      reason: "wait",
      prompt: { question: "Publish this?", draft: "a draft" },
      schema: SCHEMA,
      expires_at: expect.stringMatching(/Z$/),
    },
  });
  expect(seen.at(-1)).toMatchObject({
    event: "execution.completed",
    data: { data: { final_result: { approved: true }, stage_results: { approval: { answered_by: key } } } },
  });
  expect(await asking.complete(id, { approved: true })).toMatchObject({ status: 200, body: answered.body });
  expect(await asking.complete(id, { approved: false })).toMatchObject({
    status: 409,
    body: { code: "EXECUTION_CONFLICT", detail: expect.stringContaining("answered already") },
  });
});

test("an answer before its question is 202, and taken when it is asked", async () => {
  const id = await asking.asks({}, "slow");
  expect((await asking.token(id)).body.detail).toContain("has not asked its question yet");
  expect(await asking.complete(id, { approved: 1 })).toMatchObject({ status: 422 });
  const early = await asking.complete(id, { approved: true });
  expect(early).toMatchObject({ status: 202, body: { status: "pending", answered_by: null } });
  expect(await asking.complete(id, { approved: true })).toMatchObject({ status: 202 });
  expect(await asking.complete(id, { approved: false })).toMatchObject({ status: 409 });
  const ended = await asking.status(id, "completed");
  expect(ended.stage_results.approval).toMatchObject({
    data: { approved: true },
    answered_by: expect.stringMatching(/^key:/),
  });
});

test("data that the schema refuses are named in the body, and the stage waits on", async () => {
  const id = await asking.open();
  expect(await asking.complete(id, { approved: "yes", note: "x".repeat(51), more: 1 })).toMatchObject({
    status: 422,
    body: {
      code: "SCHEMA_MISMATCH",
      errors: expect.arrayContaining([
        expect.objectContaining({ pointer: "/data/approved" }),
        expect.objectContaining({ pointer: "/data/note" }),
        expect.objectContaining({ pointer: "/data/more" }),
      ]),
    },
  });
  expect((await api("GET", `/v1/executions/${id}`)).body.status).toBe("waiting");
  expect((await asking.complete(id, { approved: true })).status).toBe(200);
});

test("of a hundred different answers at once exactly one is taken", async () => {
  const id = await asking.open({ schema: { type: "object" } });
  const all = await Promise.all(
    Array.from({ length: 100 }, async (_, n) => ({ n, ...(await asking.complete(id, { n })) })),
  );
  const [winner, ...more] = all.filter(({ status }) => status === 200);
  expect(more).toEqual([]);
  expect(all.filter(({ status }) => status === 409)).toHaveLength(99);
  expect((await asking.status(id, "completed")).final_result).toEqual({ n: winner?.n });
});

test("`fail` fails the stage with its message; a stage that is optional is passed over", async () => {
  const id = await asking.open();
  expect(await fail(id, "not good enough")).toMatchObject({
    status: 200,
    body: { status: "failed", error: { message: "not good enough" } },
  });
  expect((await asking.status(id, "failed")).error_info).toMatchObject({ failed_stage: "approval" });
  expect((await fail(id, "not good enough")).status).toBe(200);
  expect((await fail(id, "another reason")).status).toBe(409);
});

test("a paused run takes its answer and goes on after its resume; a cancelled one takes none", async () => {
  const id = await asking.open();
  expect((await api("POST", `/v1/executions/${id}/pause`, {})).body.status).toBe("paused");
  expect((await asking.complete(id, { approved: true })).status).toBe(200);
  expect((await api("GET", `/v1/executions/${id}`)).body.status).toBe("paused");
  expect((await api("POST", `/v1/executions/${id}/resume`)).status).toBe(200);
  await asking.status(id, "completed");
  const cancelled = await asking.open();
  expect((await api("POST", `/v1/executions/${cancelled}/cancel`)).body.status).toBe("cancelled");
  const refused = await asking.complete(cancelled, { approved: true });
  expect(refused).toMatchObject({ status: 409, body: { detail: expect.stringContaining("cancelled") } });
  expect(await asking.token(cancelled)).toMatchObject({ status: 409 });
});

test.each([
  ["fail", "failed", { status: "failed", answered_by: "timeout", error: { code: "STAGE_TIMEOUT" } }],
  ["skip", "completed", { status: "skipped", data: null }],
  [{ data: { approved: false } }, "completed", { status: "completed", data: { approved: false } }],
] as const)(
  "without an answer within its time, on_timeout %j ends it",
  async (on_timeout, ends, approval) => {
    const id = await asking.open({ timeout_seconds: 1, on_timeout });
    expect((await asking.status(id, ends)).stage_results.approval).toMatchObject(approval);
    const late = await asking.complete(id, { approved: true });
    expect(late).toMatchObject({ status: 409, body: { code: "EXECUTION_CONFLICT" } });
    expect((await asking.token(id)).status).toBe(409);
  },
);

test("what is not there, is not asked, or is another tenant's", async () => {
  const id = await asking.open();
  const stages = `/v1/executions/${id}/stages`;
  for (const [verb, body] of [["complete", { data: {} }], ["fail", { message: "m" }], ["token"]] as const) {
    const of = (path: string, key?: string) => api("POST", `${path}/${verb}`, body, key);
    expect((await of("/v1/executions/none/stages/approval")).body.code).toBe("EXECUTION_NOT_FOUND");
    expect((await of(`${stages}/nothing`)).body.code).toBe("STAGE_NOT_FOUND");
    expect(await of(`${stages}/draft`)).toMatchObject({ status: 409, body: { code: "EXECUTION_CONFLICT" } });
    expect((await of(`${stages}/approval`, KEYS.globex)).body.code).toBe("EXECUTION_NOT_FOUND");
    expect((await of(`${stages}/approval`, KEYS.reader)).status).toBe(403);
  }
  expect((await asking.complete(id, { approved: true })).status).toBe(200);
});

test("one stage on its own that asks is 202 with the question open", async () => {
  const stage = { name: "alone", wait: { schema: SCHEMA } };
  const asked = await api("POST", "/v1/stages/execute", { stage, query: "q" });
  expect(asked).toMatchObject({ status: 202, body: { stage: "alone", status: "waiting" } });
  const id = asked.headers.get("location")?.split("/").at(-1);
  const path = `/v1/executions/${id}/stages/alone/complete`;
  expect((await api("POST", path, { data: { approved: true } })).body.status).toBe("completed");
});

describe("a definition", () => {
  const wait = { schema: { type: "objekt", properties: { a: { pattern: "(a+)+$" } } } };
  const stage = (more: object) => ({ name: "approval", ...more });

  test.each([
    [stage({}), ""],
    [stage({ agent_type: "draft", wait: {} }), "/agent_type"],
    [stage({ wait: {}, retry_attempts: 2 }), "/retry_attempts"],
    [stage({ agent_type: "draft", heartbeat_seconds: 3 }), "/heartbeat_seconds"],
    [stage({ wait }), "/wait/schema/type"],
    [stage({ wait: { schema: { $ref: "https://example.com/x" } } }), "/wait/schema/$ref"],
    [stage({ wait: { schema: SCHEMA, on_timeout: { data: {} } } }), "/wait/on_timeout/data/approved"],
    [stage({ wait: { prompt: "results.draft.(" } }), "/wait/prompt"],
  ])("%j is refused wherever a stage is written or run", async (bad, place) => {
    const ways: [string, string, unknown][] = [
      ["PUT", "/v1/pipelines/refused", { stages: [bad] }],
      ["POST", "/v1/pipelines/asks1/stages", bad],
      ["POST", "/v1/stages/execute", { stage: bad, query: "q" }],
    ];
    for (const [method, path, body] of ways) {
      const refused = await api(method, path, body);
      expect(refused, path).toMatchObject({ status: 422, body: { code: "INVALID_PIPELINE_CONFIG" } });
      const pointers = refused.body.errors.map(({ pointer }: { pointer: string }) => pointer);
      expect(
        pointers.some((pointer: string) => pointer.endsWith(place)),
        `${path} ${pointers}`,
      ).toBe(true);
    }
    const verdict = await api("POST", "/v1/pipelines/validate", { stages: [bad] });
    expect(verdict.body).toMatchObject({ valid: false, errors: [{ code: "INVALID_PIPELINE_CONFIG" }] });
  });

  test("an override cannot make a stage what it may not be", async () => {
    const run = { pipeline: "asks1", query: "q", conversation_id: "c" };
    for (const override of [{ wait }, { agent_type: "draft" }, { timeout_seconds: 3 }]) {
      const refused = await api("POST", "/v1/executions", {
        ...run,
        pipeline_config: { approval: override },
      });
      expect(refused, JSON.stringify(override)).toMatchObject({ status: 422 });
    }
  });

  test("what waits needs storage", async () => {
    await api("PATCH", "/v1/config", { context_storage_backend: "memory" });
    try {
      const run = { pipeline: "asks1", query: "q", conversation_id: "c" };
      const message = expect.stringContaining("context_storage_backend");
      expect(await api("POST", "/v1/executions", run)).toMatchObject({
        status: 422,
        body: { code: "INVALID_PIPELINE_CONFIG", detail: message },
      });
      const alone = { stage: { name: "s", agent_type: "draft", callback_timeout_seconds: 5 }, query: "q" };
      expect((await api("POST", "/v1/stages/execute", alone)).status).toBe(422);
    } finally {
      await api("PATCH", "/v1/config", { context_storage_backend: null });
    }
  });
});
