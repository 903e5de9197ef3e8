// idle_timeout_seconds: a try ends when no byte has arrived for that long, before the answer, in a stream or in a JSON
// body, and not as long as bytes arrive.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AgentServer, type Behaviour, hangs, startAgentServer } from "../support/agents/agent-server.ts";
import { closeAll } from "../support/close.ts";
import { type Coordinator, startCoordinator } from "../support/servers/coordinator.ts";
import { eventually } from "../support/eventually.ts";

const IDLE_MS = 1_500;
/** Below the limit, as closely as a busy machine allows. */
const GAP_MS = 900;
const STREAM = { "content-type": "text/event-stream" };
const RESULT = 'event: result\ndata: {"data":{"answer":"whole"}}\n\n';

let agents: AgentServer;
let coordinator: Coordinator;
let names = 0;

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents], { AGENT_COORDINATOR_RETRY_DELAY: "0.001" });
});

afterAll(() => closeAll(coordinator, agents));

/** Runs one stage whose agent behaves so. */
async function ask(behaviour: Behaviour, fields: Record<string, unknown> = {}) {
  names += 1;
  const name = `idle${names}`;
  agents.on(`/${name}`, behaviour);
  await coordinator.agent(name, agents.url(`/${name}`));
  const stage = { name: "only", agent_type: name, retry_attempts: 1, timeout_seconds: 60 };
  await coordinator.pipeline(name, [{ ...stage, idle_timeout_seconds: IDLE_MS / 1_000, ...fields }]);
  const began = Date.now();
  const { body } = await coordinator.run({ pipeline: name });
  return {
    status: body.status,
    result: body.stage_results.only,
    ms: Date.now() - began,
    calls: agents.callsOf(`/${name}`),
    url: agents.url(`/${name}`),
  };
}

/** Writes these pieces, `gapMs` before each but the first. */
const writes =
  (headers: Record<string, string>, pieces: readonly string[], gapMs: number, ends: boolean): Behaviour =>
  async (_call, response) => {
    response.writeHead(200, headers);
    for (const [at, piece] of pieces.entries()) {
      if (at > 0) await sleep(gapMs);
      response.write(piece);
    }
    if (ends) response.end();
  };

const delta = (text: string) => `event: delta\ndata: {"text":"${text}"}\n\n`;
const JSON_TYPE = { "content-type": "application/json" };

describe("an agent that is silent for longer", () => {
  test.concurrent.each<[string, Behaviour]>([
    ["before it answers", hangs],
    ["after it has begun to stream", writes(STREAM, [delta("half")], 0, false)],
    ["after a comment", writes(STREAM, [": still here\n"], 0, false)],
    ["in the middle of a JSON body", writes(JSON_TYPE, ['{"data":{'], 0, false)],
  ])("%s fails the try, long before timeout_seconds", async (_name, behaviour) => {
    const { status, result, ms, calls, url } = await ask(behaviour);
    expect(status).toBe("failed");
    expect(result).toMatchObject({
      status: "failed",
      attempts: 1,
      error: {
        code: "STAGE_TIMEOUT",
        message: `the agent at ${url} was silent for ${IDLE_MS} ms`,
        retryable: true,
      },
    });
    expect(ms).toBeGreaterThanOrEqual(IDLE_MS - 50);
    expect(ms).toBeLessThan(10 * IDLE_MS);
    // Its call is not left open.
    await eventually(
      async () => calls.map((call) => call.aborted),
      (aborted) => aborted.join() === "true",
    );
  });

  test.concurrent("is tried again", async () => {
    const behaviour: Behaviour = (call, response, count) =>
      writes(
        STREAM,
        count === 1 ? [delta("half")] : [delta("whole"), RESULT],
        0,
        count > 1,
      )(call, response, count);
    const { result, calls } = await ask(behaviour, { retry_attempts: 3 });
    expect(result).toMatchObject({ status: "completed", attempts: 2, data: { answer: "whole" } });
    expect(calls.map((call) => call.aborted)).toEqual([true, false]);
  });
});

describe("an agent whose silences are shorter", () => {
  test.concurrent.each<[string, Behaviour]>([
    ["in a stream of deltas", writes(STREAM, [delta("a"), delta("b"), delta("c"), RESULT], GAP_MS, true)],
    ["in a stream of comments", writes(STREAM, [": 1\n", ": 2\n", ": 3\n", RESULT], GAP_MS, true)],
    ["in a JSON body", writes(JSON_TYPE, ['{"data":', '{"answer"', ':"whole"', "}}"], GAP_MS, true)],
  ])("%s is waited for, however long they are together", async (_name, behaviour) => {
    const { result, ms } = await ask(behaviour);
    expect(result).toMatchObject({ status: "completed", attempts: 1, data: { answer: "whole" } });
    expect(ms).toBeGreaterThan(IDLE_MS);
  });

  test.concurrent("is cut off by timeout_seconds all the same", async () => {
    const behaviour = writes(STREAM, [delta("a"), delta("b"), delta("c"), RESULT], GAP_MS, true);
    const { result, url } = await ask(behaviour, { timeout_seconds: 2 });
    expect(result.error).toMatchObject({
      code: "STAGE_TIMEOUT",
      message: `the agent at ${url} did not answer within 2000 ms`,
    });
  });
});
