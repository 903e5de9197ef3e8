// A disk that is full: what cannot be written is not acknowledged, is told as RESOURCE_EXHAUSTED, and goes on once
// there is room again. A file that may not grow (ulimit -f) refuses its writes on any machine; where a file system of
// two megabytes can be mounted, the same is tried with a disk that really ends.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { callsTo } from "../support/clients/calls.ts";
import { lifecycle, readEvents, type Received } from "../support/clients/sse.ts";
import { startWorkerd, temporaryState, type WorkerdServer } from "../support/servers/workerd.ts";
import { defineFive, type FiveAgents, foretold, startFiveAgents } from "./agents.ts";

let end: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const one of end.toReversed()) await one();
  end = [];
});

/** A question so long that each record is larger than what a small file has room for. */
const LONG = "x".repeat(30_000);

const VAIN = "recovered 5 times in a row without progress";

async function agentsOf(): Promise<FiveAgents> {
  const agents = await startFiveAgents({ delay: () => 20, fails: () => false });
  end.push(() => agents.close());
  return agents;
}

async function boot(agents: FiveAgents, state: string, fileLimitKib?: number): Promise<WorkerdServer> {
  const server = await startWorkerd({
    state,
    vars: { AGENT_COORDINATOR_AGENT_HOSTS: agents.server.host, AGENT_COORDINATOR_CACHING: "false" },
    ...(fileLimitKib === undefined ? {} : { fileLimitKib }),
  });
  end.push(server.kill);
  return server;
}

describe("a file that may not grow", () => {
  test("a start that cannot be written is refused, and nothing of it is there afterwards", async () => {
    const state = await temporaryState();
    end.push(state.remove);
    const agents = await agentsOf();
    let server = await boot(agents, state.path);
    await defineFive(callsTo(server.url), agents);
    await (
      await callsTo(server.url).post({ execution_id: "before", query: "short", pipeline: "five" })
    ).text();
    await server.kill();
    agents.calls.length = 0;
    server = await boot(agents, state.path, 40);
    const calls = callsTo(server.url);
    for (const accept of ["application/json", "text/event-stream"]) {
      const refused = await calls.post(
        { execution_id: `full-${accept.length}`, query: LONG, pipeline: "five" },
        { accept },
      );
      expect([refused.status, await codeOf(refused)]).toEqual([503, "RESOURCE_EXHAUSTED"]);
      const read = await calls.fetch(`/v1/executions/full-${accept.length}`);
      expect([read.status, await codeOf(read)]).toEqual([404, "EXECUTION_NOT_FOUND"]);
    }
    // No agent was called for what was never written (I9), and what was there can be read.
    expect(agents.calls).toEqual([]);
    expect((await calls.read("before")).status).toBe("completed");
    expect(server.output()).not.toContain("UNHANDLED");
  });

  test("a run that meets the end of the disk shows nothing that is not durable, and goes on when there is room", async () => {
    const state = await temporaryState();
    end.push(state.remove);
    const agents = await agentsOf();
    let server = await boot(agents, state.path);
    await defineFive(callsTo(server.url), agents);
    await server.kill();
    server = await boot(agents, state.path, 100);
    const seen: Received[] = [];
    const response = await callsTo(server.url).post(
      { execution_id: "midway", query: LONG, pipeline: "five" },
      { accept: "text/event-stream" },
    );
    expect(response.status).toBe(200);
    const reading = readEvents(response, (event) => seen.push(event)).catch(() => {});
    await Promise.race([reading, sleep(3_000)]);
    const told = lifecycle(seen);
    expect(told.length).toBeGreaterThan(0);
    expect(told.map((event) => event.event)).not.toContain("execution.completed");
    expect(server.output()).not.toContain("UNHANDLED");
    await server.kill();
    await reading;
    server = await boot(agents, state.path);
    const events = lifecycle(
      await readEvents(await callsTo(server.url).fetch("/v1/executions/midway/events")),
    );
    expect(events.slice(0, told.length).map((event) => event.raw)).toEqual(told.map((event) => event.raw));
    // A reader that came back again and again may have used up the recoveries while nothing could be written.
    const final = await callsTo(server.url).read("midway");
    if (final.status === "completed") expect(final.final_result).toEqual(foretold(LONG));
    else expect([final.status, final.error_info.message]).toEqual(["failed", VAIN]);
    expect(events.at(-1)?.event).toBe(`execution.${final.status}`);
  });
});

const disk = mountSmall();

describe.runIf(disk !== null)("a disk that ends", () => {
  test("runs are refused with RESOURCE_EXHAUSTED, and what was acknowledged is there when there is room", async () => {
    const agents = await agentsOf();
    const path = disk as string;
    end.push(async () => {
      shell(`umount ${path}`);
      rmdirSync(path);
    });
    let server = await boot(agents, path);
    await defineFive(callsTo(server.url), agents);
    const acknowledged: string[] = [];
    const codes = new Set<string>();
    for (let at = 0; at < 40 && codes.size === 0; at += 1) {
      const execution_id = `fills-${at}`;
      const response = await callsTo(server.url).post(
        { execution_id, query: LONG, pipeline: "five" },
        { prefer: "respond-async" },
      );
      if (response.status === 202) acknowledged.push(execution_id);
      else codes.add(`${response.status} ${await codeOf(response)}`);
      await response.body?.cancel().catch(() => {});
      await sleep(100);
    }
    expect([...codes]).toEqual(["503 RESOURCE_EXHAUSTED"]);
    expect(acknowledged.length).toBeGreaterThan(0);
    await server.kill();
    shell(`mount -o remount,size=64m ${path}`);
    server = await boot(agents, path);
    for (const name of acknowledged) {
      let body = await callsTo(server.url).read(name);
      for (let tries = 0; body.status === "running" && tries < 200; tries += 1) {
        await sleep(25);
        body = await callsTo(server.url).read(name);
      }
      expect(body.final_result, name).toEqual(foretold(LONG));
    }
  });
});

/** A file system of a few megabytes, or null where this machine does not let us mount one. */
function mountSmall(): string | null {
  const path = mkdtempSync(join(tmpdir(), "agent-coordinator-disk-"));
  try {
    shell(`mount -t tmpfs -o size=6m tmpfs ${path}`);
    return path;
  } catch {
    rmdirSync(path);
    console.log("a small file system cannot be mounted here: a full disk is tried with ulimit -f alone");
    return null;
  }
}

function shell(command: string): void {
  execFileSync("sh", ["-c", command], { stdio: "ignore" });
}

async function codeOf(response: Response): Promise<string> {
  const { code }: { code: string } = await response.json();
  return code;
}
