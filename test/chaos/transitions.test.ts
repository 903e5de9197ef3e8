// Eviction and abort between every pair of transitions of the five-stage pipeline: what the log has in the end
// is what an undisturbed run leaves there, but for the recovery and the one call that it repeats.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { callsTo } from "../support/clients/calls.ts";
import { lifecycle, readEvents, type Received } from "../support/clients/sse.ts";
import { startWorkerd, temporaryState, type WorkerdServer } from "../support/servers/workerd.ts";
import { defineFive, type FiveAgents, foretold, startFiveAgents } from "./agents.ts";

/** The events of an undisturbed run: one stage after another, the two retrievals side by side. */
const UNDISTURBED = 12;
/** How long a call takes, ms; the faster of the two retrievals comes first in every run. */
const CALL_MS = 60;

let state: Awaited<ReturnType<typeof temporaryState>>;
let agents: FiveAgents;
let server: WorkerdServer;

beforeAll(async () => {
  state = await temporaryState();
  agents = await startFiveAgents({
    delay: ({ stage }) => (stage === "vector_retrieval" ? 3 * CALL_MS : CALL_MS),
    fails: () => false,
  });
  server = await startWorkerd({
    state: state.path,
    vars: { AGENT_COORDINATOR_AGENT_HOSTS: agents.server.host, AGENT_COORDINATOR_CACHING: "false" },
  });
  await defineFive(callsTo(server.url), agents);
});

afterAll(async () => {
  await server?.kill();
  await agents?.close();
  await state?.remove();
});

test("the undisturbed run is the reference for the others", async () => {
  const run = await disturbed("undisturbed", null, null);
  expect(run.events).toHaveLength(UNDISTURBED);
  expect(run.calls).toHaveLength(5);
});

describe.each(["evict", "abort"] as const)("%s", (how) => {
  test.concurrent.each(Array.from({ length: UNDISTURBED - 1 }, (_, at) => at + 1))(
    "after event %i",
    async (seq) => {
      const plain = await disturbed(`${how}-plain-${seq}`, null, null);
      const run = await disturbed(`${how}-${seq}`, how, seq);
      expect(run.final).toEqual(plain.final);
      expect(meaning(run.events)).toEqual(meaning(plain.events));
      const recovered = run.events.filter((event) => event.event === "execution.recovered");
      // The last stage's end and the execution's are one record: behind it there is nothing left to recover. An
      // eviction may let a call in flight end first.
      if (how === "abort") expect(recovered).toHaveLength(seq < UNDISTURBED - 1 ? 1 : 0);
      else expect(recovered.length).toBeLessThanOrEqual(1);
      expect(run.events.map((event) => event.id)).toEqual(run.events.map((_, at) => at + 1));
      for (const stage of new Set(plain.calls)) {
        const made = run.calls.filter((call) => call === stage).length;
        expect(made, stage).toBeLessThanOrEqual(2);
        // A stage whose completion was in the log before is not called again (I4).
        const committed = run.before.some(
          (event) => event.event === "stage.completed" && event.data.stage === stage,
        );
        if (committed) expect(made, stage).toBe(1);
      }
    },
  );
});

interface Outcome {
  events: Received[];
  /** The events that the log had when the disturbance came. */
  before: Received[];
  calls: string[];
  final: unknown;
}

/** Runs once, and disturbs its object as soon as the event `seq` is seen. */
async function disturbed(
  execution_id: string,
  how: "evict" | "abort" | null,
  seq: number | null,
): Promise<Outcome> {
  const calls = callsTo(server.url);
  const path = `/v1/executions/${execution_id}`;
  const response = await calls.post(
    { execution_id, query: "what is the question", pipeline: "five" },
    { accept: "text/event-stream" },
  );
  const before: Received[] = [];
  let disturbing: Promise<void> | null = null;
  try {
    await readEvents(response, (event) => {
      if (event.id === null) return;
      if (disturbing === null) before.push(event);
      if (how !== null && event.id === seq) disturbing ??= server[how](execution_id);
    });
  } catch {
    // The stream may go with the object that fed it.
  }
  await (disturbing ?? Promise.resolve());
  const running = () => calls.read(execution_id);
  let body = await running();
  for (let tries = 0; body.status === "running" && tries < 200; tries += 1) {
    await sleep(25);
    body = await running();
  }
  const events = lifecycle(await readEvents(await calls.fetch(`${path}/events`)));
  return {
    events,
    before,
    calls: agents.calls.filter((call) => call.execution_id === execution_id).map((call) => call.stage),
    final: timeless(body),
  };
}

/** What an execution says without its times, its name and its recoveries. */
// oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
function timeless(body: any): unknown {
  expect(body.final_result).toEqual(foretold("what is the question"));
  const stages = Object.values(body.stage_results as Record<string, Record<string, unknown>>);
  return {
    status: body.status,
    context_data: body.context_data,
    error_info: body.error_info,
    usage: body.usage,
    stages: stages.map(({ stage, status, attempts, data, error }) => ({
      stage,
      status,
      attempts,
      data,
      error,
    })),
  };
}

/** The events without the recovery and the calls that it repeats, in no order among equals. */
function meaning(events: readonly Received[]): string[] {
  const told = events
    .filter(({ event }) => event !== "execution.recovered")
    .map(({ event, data }) => `${event} ${data.stage ?? ""} ${data.attempt ?? ""} ${data.status}`);
  return [...new Set(told)].toSorted((a, b) => a.localeCompare(b));
}
