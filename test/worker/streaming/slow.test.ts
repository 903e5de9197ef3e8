// Readers that take nothing while agents say megabytes, in real workerd: they never slow the run nor grow its memory,
// and by stream_timeout_ms, enable_backpressure and enable_streaming they are closed, kept, or told less.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AgentServer, startAgentServer } from "../../support/agents/agent-server.ts";
import { callsTo } from "../../support/clients/calls.ts";
import { closeAll } from "../../support/close.ts";
import { inRow, speaks } from "../../support/agents/speaker.ts";
import { readEvents, textOf } from "../../support/clients/sse.ts";
import { stalledReader, streamRequest } from "../../support/clients/stalled-reader.ts";
import { startAlone } from "../../support/servers/workerd.ts";

/** Six times this is far more than sockets hold. */
const TORRENT = Array.from({ length: 60 }, (_, at) => `${at} `.padEnd(50_000, "x"));
const STAGES = ["a", "b", "c", "d", "e", "f"];

let agents: AgentServer;
let server: Awaited<ReturnType<typeof startAlone>>;

beforeAll(async () => {
  agents = await startAgentServer();
  server = await startAlone({ AGENT_COORDINATOR_AGENT_HOSTS: agents.host });
  const calls = callsTo(server.url);
  const say = speaks(TORRENT, 5);
  agents.on("/torrent", async (call, response, count) => {
    // The text is not the result, or the terminal event alone would be as large as the torrent.
    const end = response.end.bind(response);
    const write = response.write.bind(response) as (chunk: string) => boolean;
    response.write = ((chunk: string) =>
      chunk.startsWith("event: result")
        ? write('event: result\ndata: {"data":{"said":1}}\n\n')
        : write(chunk)) as never;
    await say(call, response, count);
    end();
  });
  await calls.agent("torrent", agents.url("/torrent"));
  await calls.pipeline("torrent", inRow(STAGES, "torrent"));
});

afterAll(() => closeAll(server, agents));

/** Runs the torrent with a stalled reader, which reads on when the run has ended; what it then has, and how long it ran. */
async function besideStalled(id: string, config: unknown, readers = 1) {
  const calls = callsTo(server.url);
  expect((await calls.send("PATCH", "/v1/config", config)).status).toBe(200);
  await calls.post({ pipeline: "torrent", execution_id: id }, { prefer: "respond-async" });
  const stalled = await Promise.all(
    Array.from({ length: readers }, () => stalledReader(server.url, streamRequest(id))),
  );
  const before = await server.memory();
  let peak = before;
  let execution = await calls.read(id);
  while (execution.status === "running") {
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
    peak = Math.max(peak, await server.memory());
    execution = await calls.read(id);
  }
  expect(execution.status).toBe("completed");
  const texts = await Promise.all(stalled.map((reader) => reader.drain()));
  return { text: texts[0] as string, ms: execution.duration_ms as number, grown: peak - before };
}

describe("a reader that takes nothing", () => {
  test("is closed after stream_timeout_ms with a full buffer, and comes back by its last id", async () => {
    const { text } = await besideStalled("closed", { stream_timeout_ms: 100 });
    expect(text).not.toContain("event: execution.completed");
    const last = /^id: (\d+)$/gm;
    const seq = Number([...text.matchAll(last)].at(-1)?.[1]);
    expect(seq).toBeGreaterThan(0);
    const headers = { "last-event-id": String(seq) };
    const rest = await readEvents(
      await callsTo(server.url).fetch("/v1/executions/closed/events", { headers }),
    );
    expect(rest.find((event) => event.id !== null)?.id).toBe(seq + 1);
    expect(rest.at(-1)?.event).toBe("execution.completed");
  });

  test("is kept where the timeout is longer, its deltas merged, and has everything when it reads on", async () => {
    const { text } = await besideStalled("kept", { stream_timeout_ms: 600_000 });
    expect(text).toContain("event: execution.completed");
    expect(text.match(/^event: stage.completed$/gm)).toHaveLength(STAGES.length);
    // Of the later stages, which it was told at once, each text came in a few deltas.
    const deltas = text.match(/^event: stage.delta$/gm)?.length ?? 0;
    expect(deltas).toBeLessThan(TORRENT.length * STAGES.length);
  });

  test("is closed at once if enable_backpressure is false, for any timeout", async () => {
    const config = { stream_timeout_ms: 600_000, enable_backpressure: false };
    const { text } = await besideStalled("unwaited", config);
    expect(text).not.toContain("event: execution.completed");
    await callsTo(server.url).send("PATCH", "/v1/config", { enable_backpressure: null });
  });

  test("and eight of them neither hold the run up nor grow its memory without bound", async () => {
    const alone = await besideStalled("beside-none", { stream_timeout_ms: 600_000 }, 0).then(({ ms }) => ms);
    const { ms, grown } = await besideStalled("beside-eight", { stream_timeout_ms: 600_000 }, 8);
    console.log(
      `alone ${alone} ms, beside eight stalled readers ${ms} ms, memory +${Math.round(grown / 1e6)} MB`,
    );
    // Filling their sockets is work for the same two cores; waiting for them would last for ever.
    expect(ms).toBeLessThan(alone * 3 + 3_000);
    // What sockets and pipes take is 4 MB a reader; the torrent would be 18 MB a reader.
    expect(grown).toBeLessThan(8 * 15e6);
  });
});

test("enable_streaming false passes no text on, and every lifecycle event", async () => {
  const calls = callsTo(server.url);
  const typesWith = async (enable_streaming: boolean | null) => {
    await calls.send("PATCH", "/v1/config", { enable_streaming });
    const events = await readEvents(
      await calls.post({ pipeline: "torrent" }, { accept: "text/event-stream" }),
    );
    if (enable_streaming === null) expect(textOf(events, "a")).toBe(TORRENT.join(""));
    return events.map((event) => event.event);
  };
  const silent = await typesWith(false);
  expect(silent).not.toContain("stage.delta");
  expect((await typesWith(null)).filter((type) => type !== "stage.delta")).toEqual(silent);
});
