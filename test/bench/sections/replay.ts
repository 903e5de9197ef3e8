// What it costs to read a log of 1,000 events again: fifty stages, each tried ten times. In Node the fold alone and
// with the decoding of its records; and in workerd what a GET of such an execution takes longer than that of a short
// one, each for the first time after a restart, so that the object has to be made and its log read.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeRecords, encodeRecord } from "../../../src/adapters/log/record.ts";
import { replay } from "../../../src/core/execution/evolve.ts";
import type { LogEvent } from "../../../src/core/execution/log-event.ts";
import { Play, REJECTED, stage } from "../../core/rules/play.ts";
import { median, quantile, send, shoot } from "../load.ts";
import { configure, define } from "../runs.ts";
import { type BenchServer, startOn } from "../servers.ts";
import { chain } from "../shapes-of-runs.ts";
import { atMost, type Bench, printTable, type Verdict } from "../verdicts.ts";

const STAGES = 50;
const TRIES = 10;
const name = (at: number) => `s${at}`;
const dependsOn = (at: number) => (at === 0 ? [] : [name(at - 1)]);

export async function measureReplay({ scripts, rounds, shots }: Bench): Promise<Verdict[]> {
  const { events, chunks } = longLog();
  const folds: number[] = [];
  const reads: number[] = [];
  for (let made = 0; made < Math.max(50, shots); made += 1) {
    folds.push(took(() => replay(events)));
    reads.push(took(() => replay(decodeRecords(chunks, 1))));
  }
  const inWorkerd = await firstReads(scripts, Math.max(5, rounds));
  console.log(`\n## Reading a log again: ${events.length} events in ${chunks.length} records, ms\n`);
  printTable(
    ["", "p50", "p95", "the first time"],
    [
      row("replay of decoded events, in Node", folds),
      row("and decoding its records", reads),
      row("GET after a restart, in workerd", inWorkerd.long),
      row("GET of a run of four stages after a restart", inWorkerd.short),
    ],
  );
  const beyond = median(inWorkerd.long) - median(inWorkerd.short);
  return [
    atMost("replaying 1,000 decoded events: less than 5 ms", median(folds), 5, 2, " ms"),
    atMost(
      "reading and replaying 1,000 events in workerd, beyond a short log's: less than 5 ms",
      beyond,
      5,
      2,
      " ms",
    ),
  ];
}

function took(work: () => unknown): number {
  const began = performance.now();
  work();
  return performance.now() - began;
}

function row(label: string, ms: readonly number[]): string[] {
  return [label, ...[median(ms), quantile(ms, 0.95), ms[0] ?? Number.NaN].map((of) => of.toFixed(2))];
}

/** The log that such a run leaves, and its records as they are stored: one for each command's turn. */
function longLog(): { events: LogEvent[]; chunks: [string, unknown][] } {
  const stages = Array.from({ length: STAGES }, (_, at) =>
    stage(name(at), { retry_attempts: TRIES, depends_on: dependsOn(at) }),
  );
  const play = new Play(stages, { retry_delay_seconds: 0, pipeline_timeout_seconds: 86_400 });
  const chunks: [string, unknown][] = [];
  let written = 0;
  const write = () => {
    for (const { key, bytes } of encodeRecord(play.log.slice(written))) chunks.push([key, bytes]);
    written = play.log.length;
  };
  write();
  for (const { name: of } of stages) {
    for (let tries = 1; tries < TRIES; tries += 1) {
      play.fail(of, REJECTED);
      write();
      play.tick();
      if (play.log.length > written) write();
    }
    play.answer(of);
    write();
  }
  if (play.status !== "completed") throw new Error(`the long run is ${play.status}`);
  return { events: play.log, chunks };
}

async function firstReads(
  { coordinator, agents }: Bench["scripts"],
  count: number,
): Promise<{ long: number[]; short: number[] }> {
  const state = await mkdtemp(join(tmpdir(), "agent-coordinator-bench-"));
  try {
    const before = await startOn(state, coordinator, agents);
    await defineLong(before);
    const ids = { long: [] as string[], short: [] as string[] };
    for (let made = 0; made <= count; made += 1) {
      ids.short.push(await run(before, "four"));
      ids.long.push(await run(before, "long"));
    }
    await before.close();
    const after = await startOn(state, coordinator, agents);
    const times = { long: [] as number[], short: [] as number[] };
    for (let made = 0; made <= count; made += 1) {
      for (const kind of ["short", "long"] as const) {
        const ms = await read(after, ids[kind][made] ?? "");
        // The first of each kind finds code that has never run.
        if (made > 0) times[kind].push(ms);
      }
    }
    await after.close();
    return times;
  } finally {
    await rm(state, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Each stage has an agent of its own: tries of one would use up the retry budget of the others. */
async function defineLong(server: BenchServer): Promise<void> {
  await define(server, { four: chain(4) });
  await configure(server, {
    enable_detailed_logging: false,
    enable_circuit_breaker: false,
    retry_delay_seconds: 0,
  });
  const stages = Array.from({ length: STAGES }, (_, at) => ({
    name: name(at),
    agent_type: name(at),
    depends_on: dependsOn(at),
    retry_attempts: TRIES,
    config: { failures: TRIES - 1 },
    cache: false,
  }));
  for (const { agent_type } of stages) {
    await send(`${server.url}/v1/agents/${agent_type}`, { binding: "AGENTS", path: "/instant" });
  }
  await send(`${server.url}/v1/pipelines/long`, { stages });
}

async function run(server: BenchServer, pipeline: string): Promise<string> {
  const text = await send(
    `${server.url}/v1/executions`,
    { query: "a question", conversation_id: "c", pipeline },
    "POST",
  );
  const execution = JSON.parse(text) as { execution_id: string; status: string; error_info: unknown };
  if (execution.status !== "completed") throw new Error(`${pipeline}: ${text.slice(0, 300)}`);
  return execution.execution_id;
}

async function read(server: BenchServer, id: string): Promise<number> {
  const began = performance.now();
  const { status, text } = await shoot({ url: `${server.url}/v1/executions/${id}`, method: "GET" });
  if (status !== 200) throw new Error(`${status} ${text.slice(0, 300)}`);
  return performance.now() - began;
}
