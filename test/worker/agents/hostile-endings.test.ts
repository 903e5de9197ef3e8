// When a call is over: a result or an error in hand is the outcome, however the stream goes on, and a failure's status
// is known when its headers are, however its body goes on. Retry-After on real answers.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AgentServer, type Behaviour, startAgentServer } from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";

let agents: AgentServer;
let coordinator: Coordinator;
let names = 0;

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents], {
    AGENT_COORDINATOR_RETRY_DELAY: "0.001",
    AGENT_COORDINATOR_CIRCUIT_BREAKER: "false",
  });
});

afterAll(() => closeAll(coordinator, agents));

/** A pipeline of one stage whose agent does so. */
async function pipelineOf(behaviour: Behaviour, fields: Record<string, unknown> = {}) {
  names += 1;
  const name = `ending${names}`;
  agents.on(`/${name}`, behaviour);
  await coordinator.agent(name, agents.url(`/${name}`));
  await coordinator.pipeline(name, [
    { name: "only", agent_type: name, timeout_seconds: 4, retry_attempts: 2, ...fields },
  ]);
  return { name, calls: () => agents.callsOf(`/${name}`) };
}

async function ask(behaviour: Behaviour, fields: Record<string, unknown> = {}) {
  const { name, calls } = await pipelineOf(behaviour, fields);
  const began = performance.now();
  const { body } = await coordinator.run({ pipeline: name });
  return { result: body.stage_results.only, calls, ms: performance.now() - began };
}

const SSE = { "content-type": "text/event-stream" };
const JSON_TYPE = { "content-type": "application/json" };
const RESULT = 'event: result\ndata: {"data":{"n":1}}\n\n';
const ERROR = 'event: error\ndata: {"detail":"no more","status":503,"retryable":false}\n\n';
/** What is far more than an outcome in hand may take, and far less than a try's time, ms. */
const SOON_MS = 1_500;

/** Streams `text`, then writes `more` every so many ms and never ends; tells when the caller has gone. */
function staysOpen(text: string, more: string, every_ms: number, gone?: () => void): Behaviour {
  return (_call, response) => {
    response.writeHead(200, SSE).write(text);
    const timer = every_ms === 0 ? undefined : setInterval(() => response.write(more), every_ms);
    response.on("close", () => {
      clearInterval(timer);
      gone?.();
    });
  };
}

describe("a result in hand is the result", () => {
  test.each([
    ["silence", "", 0],
    ["comments every 300 ms", ": here\n\n", 300],
    ["comments every 900 ms", ": here\n\n", 900],
    ["[DONE]", "data: [DONE]\n\n", 100],
    ["unknown events", 'event: usage\ndata: {"input_tokens":1}\n\n', 100],
    ["another result", 'event: result\ndata: {"data":{"n":2}}\n\n', 100],
    ["an error", ERROR, 100],
    ["deltas that are none", 'event: delta\ndata: {"text":1}\n\n', 100],
  ] as const)("with %s after it", async (_name, more, every_ms) => {
    const { result, calls, ms } = await ask(staysOpen(RESULT + more, more, every_ms));
    expect(result).toMatchObject({ status: "completed", attempts: 1, data: { n: 1 } });
    expect(calls()).toHaveLength(1);
    expect(ms).toBeLessThan(SOON_MS);
  });

  test.each([0, 100])("an error is the outcome, too, in a stream that stays open (%i)", async (every_ms) => {
    const { result, calls, ms } = await ask(staysOpen(ERROR, RESULT, every_ms));
    expect(result).toMatchObject({ status: "failed", error: { message: "no more", status: 503 } });
    expect(calls()).toHaveLength(1);
    expect(ms).toBeLessThan(SOON_MS);
  });

  test("the connection of a stream that stays open is closed a little later", async () => {
    const closed = Promise.withResolvers<void>();
    const { result } = await ask(staysOpen(RESULT, ": here\n\n", 100, closed.resolve));
    expect(result.status).toBe("completed");
    await closed.promise;
  });

  test("a stream that ends a moment after its result sees no caller that hangs up", async () => {
    const { result, calls } = await ask(async (_call, response) => {
      response.writeHead(200, SSE).write(RESULT);
      await sleep(200);
      response.end(": bye\n\n");
    });
    expect(result).toMatchObject({ status: "completed" });
    await sleep(300);
    expect(calls()[0]?.aborted).toBe(false);
  });

  test("and what came before it was passed on", async () => {
    const { name } = await pipelineOf(
      staysOpen(
        `event: delta\ndata: {"text":"so "}\n\nevent: delta\ndata: {"text":"far"}\n\n${RESULT}`,
        "",
        0,
      ),
    );
    const response = await coordinator.fetch("/v1/executions", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "text/event-stream" },
      body: JSON.stringify({ query: "q", conversation_id: "c", pipeline: name }),
    });
    const pieces = [...(await response.text()).matchAll(/"partial_answer":"([^"]*)"/g)].map(
      ([, text]) => text,
    );
    expect(pieces.join("")).toBe("so far");
  });
});

describe("a failure is known with its headers", () => {
  const hangs =
    (status: number, body: string, headers: Record<string, string> = JSON_TYPE): Behaviour =>
    (_call, response) => {
      response.writeHead(status, headers).write(body);
    };
  const drips =
    (status: number): Behaviour =>
    (_call, response) => {
      response.writeHead(status, JSON_TYPE).write("{");
      const timer = setInterval(() => response.write(" "), 50);
      response.on("close", () => clearInterval(timer));
    };

  test.each([
    ["400 whose body hangs", hangs(400, '{"title":'), 400, "AGENT_PROCESSING_ERROR", 1],
    ["400 whose body drips", drips(400), 400, "AGENT_PROCESSING_ERROR", 1],
    ["503 whose body hangs", hangs(503, '{"title":'), 503, "AGENT_UNAVAILABLE", 2],
    ["503 whose body drips", drips(503), 503, "AGENT_UNAVAILABLE", 2],
    [
      "404 of no known type whose body hangs",
      hangs(404, "<p>", { "content-type": "text/html" }),
      404,
      "AGENT_PROCESSING_ERROR",
      1,
    ],
    ["301 whose body hangs", hangs(301, "x", { location: "/elsewhere" }), 301, "AGENT_PROCESSING_ERROR", 1],
  ] as const)("%s", async (_name, behaviour, status, code, tries) => {
    const { result, calls, ms } = await ask(behaviour);
    expect([result.error.status, result.error.code, calls().length]).toEqual([status, code, tries]);
    expect(ms).toBeLessThan(tries * 500 + SOON_MS / 2);
  });

  test("what has come of its body counts where it is whole", async () => {
    const { result, calls } = await ask(hangs(503, '{"detail":"really no","retryable":false}'));
    expect([result.error.message, calls().length]).toEqual(["really no", 1]);
  });

  test("a try or a silence that runs out meanwhile does not make it a timeout", async () => {
    for (const fields of [{ timeout_seconds: 0.1 }, { idle_timeout_seconds: 0.1 }]) {
      const { result } = await ask(hangs(400, "{"), fields);
      expect(result).toMatchObject({ attempts: 1, error: { status: 400 } });
    }
  });

  test("503 with Retry-After whose body hangs keeps its floor", async () => {
    const { result, calls } = await ask(hangs(503, "{", { ...JSON_TYPE, "retry-after": "400" }));
    expect(result.error).toMatchObject({ code: "AGENT_UNAVAILABLE", status: 503 });
    // 400 s would pass the pipeline's deadline: the stage has failed at once.
    expect(calls()).toHaveLength(1);
  });
});

describe("Retry-After", () => {
  const busy =
    (header: string): Behaviour =>
    (_call, response) => {
      response.writeHead(429, { ...JSON_TYPE, "retry-after": header }).end("{}");
    };

  test.each(["1795700000", "99999999999", "999999999", "9".repeat(400)])(
    "%s s are a very long wait: the stage fails now",
    async (header) => {
      const { result, calls } = await ask(busy(header));
      expect([result.status, calls().length]).toEqual(["failed", 1]);
    },
  );

  test.each([
    ["32.5", 33_000],
    ["40.1", 41_000],
    ["0.2", 1_000],
    ["-5", 0],
    ["soon", 0],
    ["2026", 2_026_000],
  ] as const)("%s is a floor of %i ms", async (header, floor_ms) => {
    const { name } = await pipelineOf(busy(header), { retry_attempts: 2 });
    await coordinator.configure({ pipeline_timeout_seconds: 10_000 });
    const { body } = await coordinator.run({ pipeline: name }, { prefer: "respond-async" });
    const events = async () =>
      (
        await coordinator.api("GET", `/v1/executions/${body.execution_id}/events`, undefined, {
          accept: "application/json",
        })
      ).body.data as { type: string; data: { delay_ms: number } }[];
    await expect.poll(async () => (await events()).some(({ type }) => type === "stage.retrying")).toBe(true);
    const delay = (await events()).find(({ type }) => type === "stage.retrying")?.data.delay_ms ?? -1;
    expect(delay).toBeGreaterThanOrEqual(floor_ms);
    expect(delay).toBeLessThanOrEqual(floor_ms + 1);
    await coordinator.api("POST", `/v1/executions/${body.execution_id}/cancel`);
  });
});
