// One unbroken stream: the execution's object is crashed and evicted under open streams, at random moments, and the
// reader sees every event once, in order, the whole text, and no error.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AgentServer, startAgentServer } from "../../support/agents/agent-server.ts";
import { callsTo } from "../../support/clients/calls.ts";
import { seeded } from "../../support/values/chance.ts";
import { closeAll } from "../../support/close.ts";
import { expectWhole, spoken } from "../../support/agents/speaker.ts";
import { lifecycle, readEvents, type Received } from "../../support/clients/sse.ts";
import { startAlone } from "../../support/servers/workerd.ts";

const ABORTS = 50;
const STAGES = ["first", "second", "third"] as const;
const speakers = spoken(STAGES, 40);
const { whole } = speakers;

let agents: AgentServer;
let server: Awaited<ReturnType<typeof startAlone>>;
const sse = { accept: "text/event-stream" };

beforeAll(async () => {
  agents = await startAgentServer();
  server = await startAlone({ AGENT_COORDINATOR_AGENT_HOSTS: agents.host });
  await speakers.setUp(agents, callsTo(server.url), 4);
});

afterAll(() => closeAll(server, agents));

/** Runs once with a reader, and does `harm` to the object at random moments until the reader has the end. */
async function runUnder(
  id: string,
  random: ReturnType<typeof seeded>,
  harm: (id: string) => Promise<void>,
  times: number,
): Promise<{ events: Received[]; harmed: number }> {
  const calls = callsTo(server.url);
  const response = await calls.post({ pipeline: "spoken", execution_id: id }, sse);
  expect(response.status).toBe(200);
  let over = false;
  const reading = readEvents(response).finally(() => {
    over = true;
  });
  let harmed = 0;
  while (harmed < times) {
    await new Promise((resolve) => {
      setTimeout(resolve, random.below(150));
    });
    if (over) break;
    await harm(id);
    harmed += 1;
  }
  return { events: await reading, harmed };
}

describe("one unbroken stream", () => {
  test(`${ABORTS} crashes at random moments are not seen by the reader`, async () => {
    let aborts = 0;
    let recoveries = 0;
    let runs = 0;
    const lane = async (seed: number) => {
      const random = seeded(seed);
      while (aborts < ABORTS) {
        const id = `aborted-${seed}-${runs++}`;
        // At most four a run: one that gets nowhere in five recoveries is ended.
        const { events, harmed } = await runUnder(id, random, server.abort, 1 + random.below(4));
        aborts += harmed;
        expectWhole(events, whole);
        recoveries += events.filter((event) => event.event === "execution.recovered").length;
        const replayed = await readEvents(await callsTo(server.url).fetch(`/v1/executions/${id}/events`));
        expect(lifecycle(replayed).map((event) => event.raw)).toEqual(
          lifecycle(events).map((event) => event.raw),
        );
      }
    };
    await Promise.all([1, 2, 3, 4, 5].map(lane));
    expect(aborts).toBeGreaterThanOrEqual(ABORTS);
    // Most of them cut a call that was speaking.
    expect(recoveries).toBeGreaterThan(ABORTS / 2);
    console.log(`${aborts} aborts in ${runs} runs, ${recoveries} recoveries that the readers saw as events`);
  });

  test("nor are evictions", async () => {
    const random = seeded(7);
    for (let run = 0; run < 3; run += 1) {
      const { events } = await runUnder(`evicted-${run}`, random, server.evict, 3);
      expectWhole(events, whole);
    }
  });

  test("a reader that only looks on, and joins late, has it whole as well", async () => {
    const calls = callsTo(server.url);
    await calls.post({ pipeline: "spoken", execution_id: "late" }, { prefer: "respond-async" });
    await new Promise((resolve) => {
      setTimeout(resolve, 100);
    });
    const late = await calls.fetch("/v1/executions/late/events", { headers: sse });
    const reading = readEvents(late);
    await server.abort("late");
    const events = await reading;
    expectWhole(events, whole);
    const first = events.find((event) => event.event === "stage.delta");
    expect(first?.data.data.offset).toBe(0);
  });

  test("the mark of the end is not passed on", async () => {
    const response = await callsTo(server.url).post({ pipeline: "spoken" }, sse);
    const text = await response.text();
    expect(text.startsWith("retry: 1000\nevent: execution.started\ndata: {")).toBe(true);
    expect(text.endsWith("}\nid: 8\n\n")).toBe(true);
    expect(text).not.toContain("\n:end");
    expect(text).not.toContain("\r");
  });
});
