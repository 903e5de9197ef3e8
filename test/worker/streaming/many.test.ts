// Many readers of one execution, and many executions that stream at once, in real workerd: each complete, and how
// late an event comes. Bounded here; `npm run bench:streams` runs the same with a thousand readers and 300 executions.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentServer, startAgentServer } from "../../support/agents/agent-server.ts";
import { callsTo } from "../../support/clients/calls.ts";
import { closeAll } from "../../support/close.ts";
import { expectWhole, spoken } from "../../support/agents/speaker.ts";
import { sizeOf } from "../../support/sizes.ts";
import { readEvents, type Received } from "../../support/clients/sse.ts";
import { startAlone } from "../../support/servers/workerd.ts";

const READERS = sizeOf("STREAM_READERS");
const EXECUTIONS = sizeOf("STREAM_EXECUTIONS");
const STAGES = ["first", "second"] as const;
const speakers = spoken(STAGES, 50);
const { whole } = speakers;
const sse = { accept: "text/event-stream" };

let agents: AgentServer;
let server: Awaited<ReturnType<typeof startAlone>>;

beforeAll(async () => {
  agents = await startAgentServer();
  server = await startAlone({ AGENT_COORDINATOR_AGENT_HOSTS: agents.host });
  await speakers.setUp(agents, callsTo(server.url), 40);
});

afterAll(() => closeAll(server, agents));

/** How long after its timestamp each lifecycle event that was read live came, in ms, ascending. */
class Lateness {
  private readonly all: number[] = [];

  readonly note = ({ id, data }: Received): void => {
    // What stood there already when the reader came is not late.
    if (id !== null && id > 2) this.all.push(Date.now() - Date.parse(data.timestamp));
  };

  at(share: number): number {
    const sorted = this.all.toSorted((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] as number;
  }

  toString(): string {
    return `events came after p50 ${this.at(0.5)} ms, p99 ${this.at(0.99)} ms`;
  }
}

test(`${READERS} readers of one execution have it whole, each`, async () => {
  const calls = callsTo(server.url);
  const alone = await calls.post({ pipeline: "spoken" }).then((response) => response.json());
  const late = new Lateness();
  await calls.post({ pipeline: "spoken", execution_id: "watched" }, { prefer: "respond-async" });
  const read = async () => {
    const response = await calls.fetch("/v1/executions/watched/events", { headers: sse });
    return readEvents(response, late.note);
  };
  const all = await Promise.all(Array.from({ length: READERS }, read));
  for (const events of all) expectWhole(events, whole);
  const { duration_ms } = await calls.read("watched");
  const before = (alone as { duration_ms: number }).duration_ms;
  console.log(
    `${READERS} readers: ${late.toString()}; the run took ${duration_ms} ms, unwatched ${before} ms`,
  );
  expect(duration_ms).toBeLessThan(before * 2 + 4_000);
});

test(`${EXECUTIONS} executions stream at once, each whole`, async () => {
  const calls = callsTo(server.url);
  const late = new Lateness();
  const began = Date.now();
  const run = async (_: unknown, at: number) => {
    const response = await calls.post({ pipeline: "spoken", execution_id: `many-${at}` }, sse);
    expectWhole(await readEvents(response, late.note), whole);
  };
  await Promise.all(Array.from({ length: EXECUTIONS }, run));
  console.log(`${EXECUTIONS} executions at once: ${late.toString()}; all in ${Date.now() - began} ms`);
});
