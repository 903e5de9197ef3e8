// Connections that an agent closes between two calls: a call that is sent in just that moment is sent once more, and is
// no try. An agent that breaks off by itself is not taken for one. Real sockets, kept alive by workerd.
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { type RawAgents, type RawBehaviour, startRawAgents } from "../../support/agents/raw-agent.ts";

/** What is known of a connection is known by origin: each test has its own. */
const ORIGINS = 12;
const free: RawAgents[] = [];
const used: RawAgents[] = [];
let coordinator: Coordinator;

beforeAll(async () => {
  for (let at = 0; at < ORIGINS; at += 1) free.push(await startRawAgents());
  coordinator = await startCoordinator(free, {
    AGENT_COORDINATOR_RETRY_DELAY: "0.001",
    AGENT_COORDINATOR_CIRCUIT_BREAKER: "false",
  });
});

afterAll(() => closeAll(coordinator, ...free, ...used));

const ANSWER = '{"data":{"fine":true}}';
/** Answers, and leaves the connection open. */
const keepsOpen: RawBehaviour = (socket) =>
  void socket.write(
    `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${ANSWER.length}\r\n\r\n${ANSWER}`,
  );
const answersAndCloses: RawBehaviour = (socket) =>
  void socket.end(
    `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${ANSWER.length}\r\nconnection: close\r\n\r\n${ANSWER}`,
  );

interface Agent {
  /** How a run of its one stage ended. */
  // oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
  run: () => Promise<any>;
  calls: () => number;
  /** The Idempotency-Key of each call. */
  keys: string[];
}

/** An agent with an origin of its own; `behaviours` are those of its calls in turn, the last one of all others. */
async function agent(behaviours: RawBehaviour[], fields: Record<string, unknown> = {}): Promise<Agent> {
  const server = free.pop() as RawAgents;
  used.push(server);
  const name = `agent-${used.length}`;
  const keys: string[] = [];
  server.on("/call", (socket, count) => {
    keys.push(/^idempotency-key: (.*?)\r?$/im.exec(server.requestHead("/call"))?.[1] ?? "");
    return behaviours[Math.min(count, behaviours.length) - 1]?.(socket, count);
  });
  await coordinator.agent(name, server.url("/call"));
  await coordinator.pipeline(name, [{ name: "only", agent_type: name, retry_attempts: 3, ...fields }]);
  return {
    run: async () => (await coordinator.run({ pipeline: name })).body.stage_results.only,
    calls: () => server.countOf("/call"),
    keys,
  };
}

describe("a connection that is closed as the next call is sent", () => {
  const ways: Record<string, (socket: Socket) => void> = {
    closed: (socket) => void socket.end(),
    destroyed: (socket) => void socket.destroy(),
    reset: (socket) => void socket.resetAndDestroy(),
  };
  test.each(Object.entries(ways))("%s: the call is sent once more under its key", async (_way, close) => {
    const { run, calls, keys } = await agent([keepsOpen, close, keepsOpen]);
    expect(await run()).toMatchObject({ status: "completed", attempts: 1 });
    expect(await run()).toMatchObject({ status: "completed", attempts: 1, data: { fine: true } });
    expect(calls()).toBe(3);
    expect(keys[1]).toBe(keys[2]);
    expect(keys[0]).not.toBe(keys[1]);
  });

  test("after which the agent is called on an open one again, and its next closing is met, too", async () => {
    const reset: RawBehaviour = (socket) => void socket.resetAndDestroy();
    const { run, calls } = await agent([keepsOpen, reset, keepsOpen, reset, keepsOpen]);
    for (let runs = 0; runs < 3; runs += 1) expect(await run()).toMatchObject({ attempts: 1, error: null });
    expect(calls()).toBe(5);
  });

  test("what is sent once more has the try's time", async () => {
    const { run, calls } = await agent([keepsOpen, (socket) => void socket.destroy(), () => {}], {
      timeout_seconds: 0.5,
      retry_attempts: 1,
    });
    await run();
    const failed = await run();
    expect(failed).toMatchObject({ attempts: 1, error: { code: "STAGE_TIMEOUT" } });
    expect(failed.duration_ms).toBeLessThan(1_000);
    expect(calls()).toBe(3);
  });

  test("what is sent once more and stays silent has its hedge", async () => {
    const { run, keys } = await agent([keepsOpen, (socket) => void socket.destroy(), () => {}, keepsOpen], {
      hedge_after_ms: 200,
      retry_attempts: 1,
    });
    await run();
    expect(await run()).toMatchObject({ status: "completed", attempts: 1 });
    expect(keys).toHaveLength(4);
    expect(keys[3]).toBe(keys[2]?.replace(/"$/, '.hedge"'));
  });

  test("two calls at once are both sent once more", async () => {
    const sent: Socket[] = [];
    const { run, calls } = await agent([
      (socket, count) => {
        if (count === 3 || count === 4) sent.push(socket);
        // Both are closed when both are used.
        if (sent.length === 2) for (const used of sent.splice(0)) used.destroy();
        // Long enough for the other one to need a connection of its own.
        if (count < 3 || count > 4) void sleep(150).then(() => keepsOpen(socket, count));
      },
    ]);
    await Promise.all([run(), run()]);
    const results = await Promise.all([run(), run()]);
    expect(results.map(({ status, attempts }) => [status, attempts])).toEqual([
      ["completed", 1],
      ["completed", 1],
    ]);
    expect(calls()).toBe(6);
  });
});

describe("an agent that breaks off by itself", () => {
  const breaksOff: RawBehaviour = (socket) => void socket.destroy();

  test("and never answered is called once a try", async () => {
    const { run, calls } = await agent([breaksOff]);
    expect(await run()).toMatchObject({ attempts: 3, error: { code: "AGENT_UNAVAILABLE" } });
    expect(calls()).toBe(3);
  });

  test("and closes after each answer is called once a try", async () => {
    const { run, calls } = await agent([answersAndCloses, breaksOff]);
    await run();
    expect(await run()).toMatchObject({ attempts: 3, error: { code: "AGENT_UNAVAILABLE" } });
    expect(calls()).toBe(4);
  });

  test("and left a connection open before is called twice in one try at most", async () => {
    const { run, calls } = await agent([keepsOpen, breaksOff]);
    await run();
    expect(await run()).toMatchObject({ attempts: 3, error: { code: "AGENT_UNAVAILABLE" } });
    // The first try's, once more, and the other two tries'.
    expect(calls()).toBe(1 + 2 + 2);
  });

  test("after it was at work for a while has had the call", async () => {
    const slowly: RawBehaviour = async (socket) => {
      await sleep(900);
      socket.destroy();
    };
    const { run, calls } = await agent([keepsOpen, slowly, keepsOpen]);
    await run();
    expect(await run()).toMatchObject({ status: "completed", attempts: 2 });
    expect(calls()).toBe(3);
  });

  test("in the body of its answer has answered", async () => {
    const inBody: RawBehaviour = async (socket) => {
      socket.write(
        'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"data":',
      );
      await sleep(30);
      socket.destroy();
    };
    const { run, calls } = await agent([keepsOpen, inBody, keepsOpen]);
    await run();
    expect(await run()).toMatchObject({ status: "completed", attempts: 2 });
    expect(calls()).toBe(3);
  });
});
