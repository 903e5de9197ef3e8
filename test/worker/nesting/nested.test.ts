// Stages that run a pipeline, on real workerd: the execution of its own, what crosses between the two, and crashes of
// parent and child, which are killed together with the server.
import { expect, test, type TestContext } from "vitest";
import { type Behaviour } from "../../support/agents/agent-server.ts";
import { lifecycle, readEvents } from "../../support/clients/sse.ts";
import { type Booted, startWorld, type World } from "../../support/servers/world.ts";

const answering =
  (data: (call: Parameters<Behaviour>[0]) => object, usage?: object): Behaviour =>
  (call, response) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ data: data(call), ...(usage === undefined ? {} : { usage }) }));
  };

interface Nested extends World, Booted {}

/** An agent, a pipeline `inner` of it, and a pipeline `outer` whose stage `sub` runs that. */
async function nested(
  context: Pick<TestContext, "onTestFinished">,
  inside: Behaviour,
  stage: object = {},
): Promise<Nested> {
  const world = await startWorld(context);
  const booted = await world.boot();
  world.agents.on("/inside", inside);
  await booted.calls.agent("inside", world.agents.url("/inside"));
  await booted.calls.pipeline("inner", [{ name: "work", agent_type: "inside" }]);
  await booted.calls.pipeline("outer", [
    { name: "sub", pipeline: "inner", ...stage },
    { name: "last", agent_type: "fine", depends_on: ["sub"] },
  ]);
  return { ...world, ...booted };
}

// oxlint-disable-next-line typescript/no-explicit-any -- tests look at answers as a caller does: as JSON.
const childOf = (events: any[]): string =>
  events.find(({ data }) => data.stage === "sub" && data.type === "stage.started").data.data
    .child_execution_id;

async function eventsOf({ calls }: Booted, id: string) {
  const response = await calls.fetch(`/v1/executions/${id}/events`, {
    headers: { accept: "application/json" },
  });
  const { data } = (await response.json()) as { data: Record<string, unknown>[] };
  return data.map((event) => ({ event: event.type, data: event }));
}

test("the stage's data is the final result of an execution of its own", async (context) => {
  const { calls, ...rest } = await nested(
    context,
    answering(({ body }) => ({ asked: body.query, who: body.context["who"] }), { input_tokens: 7 }),
    { query: "'about ' + query", context: "{'who': 'sub'}" },
  );
  const response = await calls.post({ execution_id: "one", pipeline: "outer", query: "tea" });
  const run = (await response.json()) as Record<string, never>;
  expect(run).toMatchObject({
    status: "completed",
    stage_results: {
      sub: {
        agent_type: null,
        status: "completed",
        data: { asked: "about tea", who: "sub" },
        usage: { input_tokens: 7 },
      },
    },
    usage: { input_tokens: 7 },
  });
  const child = childOf(await eventsOf({ calls, ...rest }, "one"));
  const inner = await calls.read(child);
  expect(inner).toMatchObject({
    pipeline: "inner",
    status: "completed",
    query: "about tea",
    parent: { execution_id: "one", stage: "sub" },
  });
  // One trace.
  const trace = (of: { execution_metadata: { traceparent: string } }) =>
    of.execution_metadata.traceparent.split("-")[1];
  expect(trace(inner)).toBe(trace(run as never));
});

test("the deltas of the inner pipeline's last stage are the stage's own", async (context) => {
  const { calls } = await nested(context, (_, response) => {
    response.setHeader("content-type", "text/event-stream");
    response.write('event: delta\ndata: {"text":"one "}\n\n');
    setTimeout(() => {
      response.write('event: delta\ndata: {"text":"two"}\n\n');
      response.end('event: result\ndata: {"data":{"answer":"one two"}}\n\n');
    }, 100);
  });
  const response = await calls.post(
    { execution_id: "text", pipeline: "outer" },
    { accept: "text/event-stream" },
  );
  const events = await readEvents(response);
  const text = events
    .filter(({ event, data }) => event === "stage.delta" && data.stage === "sub")
    .reduce((sum, { data }) => sum.slice(0, data.data.offset) + data.data.partial_answer, "");
  expect(text).toBe("one two");
  expect(lifecycle(events).at(-1)?.event).toBe("execution.completed");
});

test("a failure within fails the stage with its code, and names the execution", async (context) => {
  const { calls } = await nested(context, (_, response) => {
    response.writeHead(400, { "content-type": "application/json" }).end('{"detail":"no"}');
  });
  const response = await calls.post({ execution_id: "bad", pipeline: "outer" });
  const run = (await response.json()) as { error_info: { code: string; message: string } };
  expect(run).toMatchObject({
    status: "failed",
    error_info: { code: "AGENT_PROCESSING_ERROR", failed_stage: "sub" },
  });
  expect(run.error_info.message).toMatch(/its execution ex_[0-9a-f]{32} has failed: work: no/);
});

test("a cancel, a pause and a resume reach the execution within", async (context) => {
  const answers: (() => void)[] = [];
  const world = await nested(context, (_, response, count) => {
    response.setHeader("content-type", "application/json");
    if (count > 1) response.end('{"data":{"count":2}}');
    else answers.push(() => response.end('{"data":{"count":1}}'));
  });
  const { calls } = world;
  const verb = (id: string, name: string, body: object = {}) =>
    calls.send("POST", `/v1/executions/${id}/${name}`, body);
  await calls.begin("paused", "outer");
  await expect.poll(() => answers.length).toBe(1);
  const child = childOf(await eventsOf(world, "paused"));
  expect((await verb("paused", "pause")).status).toBe(200);
  await expect.poll(async () => (await calls.read(child)).status).toBe("paused");
  // The execution within is not resumed alone.
  expect((await verb(child, "resume")).status).toBe(409);
  answers[0]?.();
  await expect.poll(async () => (await calls.read(child)).stage_results.work.status).toBe("completed");
  expect((await calls.read("paused")).status).toBe("paused");
  expect((await verb("paused", "resume")).status).toBe(200);
  await expect.poll(async () => (await calls.read("paused")).status, { timeout: 10_000 }).toBe("completed");
  expect(await calls.read("paused")).toMatchObject({ stage_results: { sub: { data: { count: 1 } } } });

  await calls.pipeline("inner", [{ name: "ask", wait: { timeout_seconds: 600 } }]);
  await calls.begin("cancelled", "outer");
  await expect.poll(async () => (await calls.read("cancelled")).status).toBe("waiting");
  const asking = childOf(await eventsOf(world, "cancelled"));
  expect((await verb("cancelled", "cancel")).status).toBe(200);
  await expect.poll(async () => (await calls.read(asking)).status).toBe("cancelled");
});

test("a question within leaves both waiting, and its answer lets both go on", async (context) => {
  const world = await nested(
    context,
    answering(() => ({})),
  );
  const { calls } = world;
  await calls.pipeline("inner", [{ name: "ask", wait: { timeout_seconds: 600 } }]);
  await calls.begin("asks", "outer");
  await expect.poll(async () => (await calls.read("asks")).status).toBe("waiting");
  const child = childOf(await eventsOf(world, "asks"));
  const waits = await calls.fetch("/v1/waits?conversation_id=c1");
  expect(await waits.json()).toMatchObject({ data: [{ execution_id: child, stage: "ask" }] });
  expect(await calls.read("asks")).toMatchObject({ stage_results: { sub: { status: "waiting" } } });
  const answer = await calls.send("POST", `/v1/executions/${child}/stages/ask/complete`, {
    data: { yes: true },
  });
  expect(answer.status).toBe(200);
  await expect.poll(async () => (await calls.read("asks")).status, { timeout: 10_000 }).toBe("completed");
  expect(await calls.read("asks")).toMatchObject({ stage_results: { sub: { data: { yes: true } } } });
});

test("a caller of JSON is answered once a question within is open, in whichever depth and item", async (context) => {
  const { calls } = await nested(
    context,
    answering(() => ({})),
  );
  await calls.pipeline("inner", [{ name: "ask", wait: { timeout_seconds: 600 } }]);
  const asked = await calls.post({ execution_id: "asked", pipeline: "outer" });
  expect(asked.status).toBe(202);
  expect(await asked.json()).toMatchObject({ status: "waiting" });
  await calls.pipeline("outermost", [
    { name: "each", pipeline: "outer", map: { over: "['x', 'y']", max_items: 2 } },
  ]);
  const deep = await calls.post({ execution_id: "deep", pipeline: "outermost" });
  expect(deep.status).toBe(202);
});

test("a caller of JSON waits for an agent within that answers later", async (context) => {
  let callback = "";
  const { calls } = await nested(context, (call, response) => {
    callback = String(call.headers["coordinator-callback"]);
    response.writeHead(202).end();
  });
  const inner = [{ name: "work", agent_type: "inside", callback_timeout_seconds: 600 }];
  await calls.pipeline("inner", inner);
  const answer = calls.post({ execution_id: "later", pipeline: "outer" });
  await expect.poll(async () => (await calls.read("later").catch(() => null))?.status).toBe("waiting");
  const headers = { "content-type": "application/json" };
  const called = await fetch(callback, { method: "POST", headers, body: '{"data":{"n":1}}' });
  expect(called.status).toBe(200);
  expect(await (await answer).json()).toMatchObject({
    status: "completed",
    stage_results: { sub: { data: { n: 1 } } },
  });
});

test("a crash of both leaves exactly one execution within", async (context) => {
  let isOpen = false;
  const world = await nested(context, (_, response) => {
    response.setHeader("content-type", "application/json");
    if (isOpen) response.end('{"data":{"n":1}}');
  });
  await world.calls.begin("crash", "outer");
  await expect.poll(() => world.agents.callsOf("/inside").length).toBe(1);
  const child = childOf(await eventsOf(world, "crash"));
  await world.server.kill();
  isOpen = true;
  const { calls } = await world.boot();
  await expect.poll(async () => (await calls.read("crash")).status, { timeout: 20_000 }).toBe("completed");
  const { data } = (await (await calls.fetch("/v1/executions?pipeline=inner")).json()) as {
    data: { execution_id: string }[];
  };
  expect(data.map(({ execution_id }) => execution_id)).toEqual([child]);
});

test("pipelines that run each other, a deep one and a large tree are refused when they are written", async (context) => {
  const { calls } = await nested(
    context,
    answering(() => ({})),
  );
  const put = async (name: string, stages: object[]) => {
    const response = await calls.send("PUT", `/v1/pipelines/${name}`, { stages });
    return { status: response.status, body: (await response.json()) as { code: string; detail: string } };
  };
  const loop = await put("inner", [{ name: "back", pipeline: "outer" }]);
  expect(loop).toMatchObject({ status: 422, body: { code: "CIRCULAR_DEPENDENCY" } });
  expect(loop.body.detail).toContain("inner → outer → inner");
  expect((await put("self", [{ name: "me", pipeline: "self" }])).body.code).toBe("CIRCULAR_DEPENDENCY");
  expect((await put("three", [{ name: "a", pipeline: "outer" }])).status).toBe(201);
  expect((await put("four", [{ name: "a", pipeline: "three" }])).status).toBe(201);
  const deep = await put("five", [{ name: "a", pipeline: "four" }]);
  expect(deep).toMatchObject({ status: 422, body: { code: "INVALID_PIPELINE_CONFIG" } });
  expect(deep.body.detail).toContain("5 deep");
  const large = await put("large", [
    { name: "a", pipeline: "outer", repeat: { until: "true", max: 20 }, map: { over: "[1]", max_items: 20 } },
  ]);
  expect(large.body.detail).toContain("801 executions");
  const early = await put("early", [{ name: "a", pipeline: "not_there" }]);
  expect(early).toMatchObject({ status: 201, body: { hints: [{ code: "PIPELINE_NOT_FOUND" }] } });
  const run = await calls.post({ pipeline: "early" });
  expect(run.status).toBe(404);
});

test("a pipeline is run again until its result is good, each time as another execution", async (context) => {
  let count = 0;
  const world = await nested(
    context,
    answering(() => ({ n: (count += 1) })),
    { repeat: { until: "result.n == 3", max: 5 } },
  );
  const response = await world.calls.post({ execution_id: "loop", pipeline: "outer" });
  expect(await response.json()).toMatchObject({ stage_results: { sub: { data: { n: 3 }, iterations: 3 } } });
  const { data } = (await (await world.calls.fetch("/v1/executions?pipeline=inner")).json()) as {
    data: object[];
  };
  expect(data).toHaveLength(3);
});

test("it is none of its conversation's executions, and is deleted with the one whose stage runs it", async (context) => {
  const world = await nested(
    context,
    answering(() => ({})),
  );
  const { calls } = world;
  const ran = await calls.post({ execution_id: "first", pipeline: "outer", conversation_id: "talk" });
  expect(await ran.json()).toMatchObject({ status: "completed" });
  const child = childOf(await eventsOf(world, "first"));
  const list = async (query: string) => {
    const { data } = (await (await calls.fetch(`/v1/executions?${query}`)).json()) as {
      data: { execution_id: string }[];
    };
    return data;
  };
  await expect
    .poll(() => list("pipeline=inner"))
    .toMatchObject([{ parent: { execution_id: "first", stage: "sub" } }]);
  expect((await list("conversation_id=talk")).map(({ execution_id }) => execution_id)).toEqual(["first"]);
  // A later question of the conversation has the turn of the first, and no other.
  await calls.post({ execution_id: "second", pipeline: "outer", conversation_id: "talk" });
  expect(world.agents.callsOf("/fine").at(-1)?.body.history).toHaveLength(1);
  expect((await calls.fetch("/v1/executions/first", { method: "DELETE" })).status).toBe(204);
  expect((await calls.fetch(`/v1/executions/${child}`)).status).toBe(404);
});
