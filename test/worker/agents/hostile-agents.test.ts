// Agents that misbehave over raw sockets, as the first try, as a middle one and as every one: each ends in its typed
// outcome, in time, without a rejection that nobody caught, and leaves the server's memory where it was.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { callsTo } from "../../support/clients/calls.ts";
import { type RawAgents, startRawAgents } from "../../support/agents/raw-agent.ts";
import { startWorkerd, temporaryState, type WorkerdServer } from "../../support/servers/workerd.ts";
import { busy, fine, HOSTILE_CASES, type HostileCase } from "./hostile-cases.ts";

/** What a try may take beyond its deadline, ms. */
const GRACE_MS = 250;
const TRIES = 3;
const PLACES = ["first", "middle", "every"] as const;
type Place = (typeof PLACES)[number];

let agents: RawAgents;
let server: WorkerdServer;
let state: Awaited<ReturnType<typeof temporaryState>>;

beforeAll(async () => {
  agents = await startRawAgents();
  state = await temporaryState();
  server = await startWorkerd({
    state: state.path,
    vars: {
      AGENT_COORDINATOR_AGENT_HOSTS: agents.host,
      AGENT_COORDINATOR_RETRY_DELAY: "0.001",
      AGENT_COORDINATOR_CIRCUIT_BREAKER: "false",
      AGENT_COORDINATOR_CACHING: "false",
    },
  });
  const calls = callsTo(server.url);
  await Promise.all(
    HOSTILE_CASES.flatMap((hostile, at) =>
      PLACES.map(async (place) => {
        const name = nameOf(at, place);
        agents.on(`/${name}`, (socket, count) => {
          const turn = place === "every" || count === (place === "first" ? 1 : 2);
          if (turn) return hostile.behaviour(socket, count);
          return count === 1 ? busy(socket, count) : fine(socket, count);
        });
        await calls.agent(name, agents.url(`/${name}`));
      }),
    ),
  );
});

afterAll(async () => {
  await server?.kill();
  await agents?.close();
  await state?.remove();
});

describe.each(HOSTILE_CASES.map((hostile, at) => ({ ...hostile, at })))("$name", (hostile) => {
  test.concurrent.each(PLACES)("as the %s try", async (place) => {
    const { status, result, slowest } = await runOne(nameOf(hostile.at, place), hostile.try_ms);
    const expected = outcome(hostile, place);
    expect({ status, attempts: result.attempts, code: result.error?.code ?? null }).toEqual(expected);
    if (status === "completed") expect(result.data).toMatchObject({ fine: true });
    expect(slowest, "the slowest try, ms").toBeLessThanOrEqual(hostile.try_ms + GRACE_MS);
  });
});

describe("afterwards", () => {
  test("there was no unhandled rejection", () => {
    expect(server.output().match(/UNHANDLED.*/g) ?? []).toEqual([]);
  });

  test("the server's memory comes back to where it was", async () => {
    const heavy = HOSTILE_CASES.map((hostile, at) => ({ ...hostile, at })).filter(({ name }) =>
      /without end|gzip bomb|depth|2 MiB|300 kB/.test(name),
    );
    const round = async () => {
      for (const { at, try_ms } of heavy) await runOne(nameOf(at, "every"), try_ms);
    };
    // The heap's own growth to its working size is no leak.
    await round();
    const before = await settledMemory();
    for (let rounds = 0; rounds < 6; rounds += 1) await round();
    const after = await settledMemory();
    console.log(`memory in MiB: ${(before / 2 ** 20).toFixed(1)}, then ${(after / 2 ** 20).toFixed(1)}`);
    expect(after - before).toBeLessThan(48 * 2 ** 20);
  }, 240_000);
});

function outcome(hostile: HostileCase, place: Place) {
  const before = place === "middle" ? 1 : 0;
  const completed = { status: "completed", code: null };
  if (hostile.retried === "fine") return { ...completed, attempts: before + 1 };
  if (hostile.retried === "no") return { status: "failed", attempts: before + 1, code: hostile.code };
  if (place !== "every") return { ...completed, attempts: before + 2 };
  return { status: "failed", attempts: hostile.retried === "once" ? 2 : TRIES, code: hostile.code };
}

/** Runs one stage by this agent; how it ended, and how long its slowest try took. */
async function runOne(agent_type: string, try_ms: number) {
  const calls = callsTo(server.url);
  const stage = { name: "only", agent_type, timeout_seconds: try_ms / 1_000, retry_attempts: TRIES };
  const pipeline = agent_type;
  await calls.pipeline(pipeline, [stage]);
  const response = await calls.post({ pipeline });
  // oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
  const body = (await response.json()) as any;
  const listed = await calls.fetch(`/v1/executions/${body.execution_id}/events`, {
    headers: { accept: "application/json" },
  });
  // oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
  const events = ((await listed.json()) as any).data as { type: string; timestamp: string }[];
  let began = 0;
  let slowest = 0;
  for (const { type, timestamp } of events) {
    if (type === "stage.started") began = Date.parse(timestamp);
    else if (type.startsWith("stage.")) slowest = Math.max(slowest, Date.parse(timestamp) - began);
  }
  return { status: body.status, result: body.stage_results.only, slowest };
}

/** Resident memory once it has stopped falling. */
async function settledMemory(): Promise<number> {
  let least = await server.memory();
  for (let waited = 0; waited < 10; waited += 1) {
    await sleep(200);
    least = Math.min(least, await server.memory());
  }
  return least;
}

function nameOf(at: number, place: Place): string {
  return `hostile-${at}-${place}`;
}
