// The inbox of open questions in real workerd: it follows a question and its end within a second, over filters and pages,
// and through a crash between a question and its report; figures, the webhook's event and the alert of questions.
import { Webhook } from "standardwebhooks";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test, type TestContext } from "vitest";
import { hangs } from "../../support/agents/agent-server.ts";
import type { Calls } from "../../support/clients/calls.ts";
import { eventually } from "../../support/eventually.ts";
import { startWorld, WEBHOOK_SECRET, webhookTo, type World } from "../../support/servers/world.ts";

const world = (context: TestContext) =>
  startWorld(context, {
    agents: { hangs },
    vars: ({ receiver }) => webhookTo(receiver, "execution.waiting,alert.firing,alert.resolved"),
  });

interface Page {
  data: { execution_id: string; stage: string; expires_at: string; prompt: object }[];
  has_more: boolean;
  next_cursor: string | null;
}

const ask = (name: string, timeout_seconds: number, fields: object = {}) => ({
  name,
  required: false,
  wait: { prompt: "{'asked': query}", timeout_seconds, on_timeout: "skip", ...fields },
});

// oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
const get = async (calls: Calls, path: string): Promise<any> => (await calls.fetch(path)).json();
const inbox = async (calls: Calls, query = ""): Promise<Page> => get(calls, `/v1/waits${query}`);
const open = async (calls: Calls, query = "") =>
  (await inbox(calls, query)).data.map(({ execution_id, stage }) => `${execution_id} ${stage}`);

/** Asks until `holds`, for at most a second. */
const within1s = <T>(what: () => Promise<T>, holds: (got: T) => boolean) => eventually(what, holds, 1_000);

async function begin(
  calls: Calls,
  execution_id: string,
  pipeline: string,
  conversation_id: string,
): Promise<void> {
  const body = { execution_id, pipeline, conversation_id };
  const response = await calls.post(body, { prefer: "respond-async" });
  expect(response.status, await response.text()).toBe(202);
}

const asked = ({ receiver }: World) =>
  receiver
    .on("/hook")
    .map(({ text, headers }) => ({
      ...(new Webhook(WEBHOOK_SECRET).verify(text, headers) as {
        type: string;
        data: { execution_id: string; waits: { stage: string }[] };
      }),
      id: headers["webhook-id"] ?? "",
    }))
    .filter(({ type }) => type === "execution.waiting");

test.concurrent("follows questions and their ends within a second, with filters, pages and figures", async (context) => {
  const of = await world(context);
  const { calls } = await of.boot();
  await calls.pipeline("asks", [ask("a", 600), ask("b", 300)]);
  await calls.pipeline("soon", [ask("only", 2)]);
  await calls.pipeline("busy", [
    { name: "slow", agent_type: "hangs", parallel: true },
    ask("meanwhile", 900),
  ]);
  await begin(calls, "one", "asks", "c1");
  expect(
    await within1s(
      () => open(calls),
      (got) => got.length === 2,
    ),
  ).toEqual(["one b", "one a"]);
  await begin(calls, "two", "asks", "c2");
  await begin(calls, "three", "busy", "c2");
  const all = ["one b", "two b", "one a", "two a", "three meanwhile"];
  expect(
    await within1s(
      () => open(calls),
      (got) => got.length === 5,
    ),
  ).toEqual(all);
  const waiting = await get(calls, "/v1/executions?status=waiting");
  expect(waiting.data.map((at: { execution_id: string }) => at.execution_id)).toEqual(["two", "one"]);
  expect(await open(calls, "?pipeline=busy")).toEqual(["three meanwhile"]);
  expect(await open(calls, "?conversation_id=c2")).toEqual(["two b", "two a", "three meanwhile"]);
  expect(await open(calls, "?conversation_id=c2&pipeline=asks")).toEqual(["two b", "two a"]);
  const found: string[] = [];
  let query = "?limit=2";
  for (let pages = 0; query !== "" && pages < 9; pages += 1) {
    const { data, has_more, next_cursor } = await inbox(calls, query);
    found.push(...data.map(({ execution_id, stage }) => `${execution_id} ${stage}`));
    expect(has_more).toBe(next_cursor !== null);
    query = next_cursor === null ? "" : `?limit=2&cursor=${next_cursor}`;
  }
  expect(found).toEqual(all);
  const [entry] = (await inbox(calls, "?limit=1")).data;
  const trace = await get(calls, "/v1/executions/one/trace");
  expect(entry).toEqual({
    execution_id: "one",
    stage: "b",
    pipeline: "asks",
    conversation_id: "c1",
    prompt: { asked: "a question" },
    schema: null,
    expires_at: trace.events.find(({ stage }: { stage?: string }) => stage === "b").data.expires_at,
  });
  expect((await calls.fetch("/v1/waits?cursor=no")).status).toBe(400);

  await calls.send("POST", "/v1/executions/two/cancel", {});
  const left = ["one b", "one a", "three meanwhile"];
  expect(
    await within1s(
      () => open(calls),
      (got) => got.length === 3,
    ),
  ).toEqual(left);

  // One of two questions is answered, and the run waits on.
  const answered = await calls.send("POST", "/v1/executions/one/stages/b/complete", { data: {} });
  expect(answered.status, await answered.text()).toBe(200);
  const rest = await within1s(
    () => open(calls),
    (got) => got.length === 2,
  );
  expect(rest).toEqual(["one a", "three meanwhile"]);
  await calls.send("POST", "/v1/executions/one/stages/a/fail", { message: "no" });
  await within1s(
    () => open(calls),
    (got) => got.length === 1,
  );
  const figures = await eventually(
    () => get(calls, "/v1/metrics?pipeline=asks"),
    (got) => got.waits.answered === 2,
  );
  expect(figures.waits).toMatchObject({ open: 0, expired: 0, answered: 2 });

  await begin(calls, "brief", "soon", "c3");
  await within1s(
    () => open(calls, "?pipeline=soon"),
    (got) => got.length === 1,
  );
  expect((await get(calls, "/v1/metrics?pipeline=soon")).waits).toMatchObject({ open: 1, expired: 0 });
  await eventually(
    () => open(calls, "?pipeline=soon"),
    (got) => got.length === 0,
  );
  const metrics = await eventually(
    () => get(calls, "/v1/metrics?pipeline=soon"),
    (got) => got.execution_metrics.total_executions === 1,
  );
  expect(metrics.waits).toMatchObject({ open: 0, expired: 1, answered: 0 });
  expect(metrics.waits.p50_ms).toBeGreaterThan(1_900);
  expect(metrics.execution_metrics.average_duration_ms).toBeLessThan(1_000);
  expect(metrics.stage_metrics).toEqual({});
  const text = await (await calls.fetch("/metrics")).text();
  expect(text).toContain('pipeline_waits_open{pipeline="asks"} 0');
  expect(text).toContain('pipeline_waits_expired_total{pipeline="soon",stage="only"} 1');
  expect(text).toContain("pipeline_executions_in_progress 1");
  // Once a question, also of the one that opened while another stage ran.
  const messages = await eventually(
    async () => asked(of),
    (got) => got.length >= 6,
  );
  await sleep(500);
  expect(asked(of)).toHaveLength(6);
  expect(new Set(messages.map(({ id }) => id)).size).toBe(6);
  expect(messages.map(({ data }) => data.waits.map(({ stage }) => stage).join(",")).toSorted()).toEqual([
    "a",
    "a",
    "b",
    "b",
    "meanwhile",
    "only",
  ]);
});

test.concurrent("a question whose report a crash came before is listed after it, and sent under one id", async (context) => {
  const of = await world(context);
  const first = await of.boot({ TEST_REFUSES: "courier" });
  await first.calls.pipeline("asks", [ask("a", 600)]);
  await begin(first.calls, "crashed", "asks", "c1");
  await sleep(50);
  await first.server.kill();
  expect(asked(of)).toEqual([]);
  const { calls } = await of.boot();
  expect(
    await eventually(
      () => open(calls),
      (got) => got.length === 1,
    ),
  ).toEqual(["crashed a"]);
  await eventually(
    async () => asked(of),
    (got) => got.length > 0,
  );
  await sleep(1_000);
  expect(new Set(asked(of).map(({ id }) => id)).size).toBe(1);
  await calls.send("POST", "/v1/executions/crashed/cancel", {});
  await within1s(
    () => open(calls),
    (got) => got.length === 0,
  );
  await calls.fetch("/v1/executions/crashed", { method: "DELETE" });
  expect(await open(calls)).toEqual([]);
});

test.concurrent("the age of the oldest question fires an alert by itself, and its end resolves it", async (context) => {
  const of = await world(context);
  const { calls } = await of.boot();
  await calls.send("PATCH", "/v1/config", { alert_thresholds: { wait_age_seconds: 2 } });
  await calls.pipeline("asks", [ask("a", 600)]);
  await begin(calls, "old", "asks", "c1");
  const alerts = () =>
    of.receiver
      .on("/hook")
      .map(({ text }) => JSON.parse(text) as { type: string; data: { name?: string; value?: number } })
      .filter(({ data }) => data.name === "wait_age_seconds");
  // Nothing is asked or reported meanwhile.
  const [fired] = await eventually(
    async () => alerts(),
    (got) => got.length > 0,
    10_000,
  );
  expect(fired).toMatchObject({ type: "alert.firing", data: { value: expect.any(Number) } });
  await calls.send("POST", "/v1/executions/old/cancel", {});
  await eventually(
    () => get(calls, "/v1/alerts"),
    ({ data }) => data.find(({ name }: { name: string }) => name === "wait_age_seconds").value === null,
  );
});
