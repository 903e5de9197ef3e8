// The specification's stage times scaled by ten: what a run takes beyond its critical path, for one caller and for
// sixteen, who start at once and so stay in step: their writes come together. The agents' own timers are late by up to
// a millisecond each; (a) shows how much of the rest that is.
import { tmpdir } from "node:os";
import { fire, median, quantile } from "../load.ts";
import { type Caller, configure, coordinatorRun, define, floorRun } from "../runs.ts";
import { type BenchServer, startCoordinator, startFloor } from "../servers.ts";
import { criticalPath, SPECIFIED } from "../shapes-of-runs.ts";
import { atMost, type Bench, printTable, type Verdict } from "../verdicts.ts";

interface Variant {
  name: string;
  server: BenchServer;
  shot: Caller;
  alone: number[];
  crowd: number[];
}

export async function compareStageTimes({ scripts, rounds, shots }: Bench): Promise<Verdict[]> {
  const floor = async (name: string, path: string): Promise<Variant> => {
    const server = await startFloor(scripts.floor, scripts.agents, tmpdir());
    return { name, server, shot: floorRun(server, path, SPECIFIED), alone: [], crowd: [] };
  };
  const coordinator = async (name: string, as: "json" | "stream"): Promise<Variant> => {
    const server = await startCoordinator(scripts.coordinator, scripts.agents, tmpdir());
    await define(server, { specified: SPECIFIED });
    await configure(server, { enable_detailed_logging: false });
    return { name, server, shot: coordinatorRun(server, "specified", as), alone: [], crowd: [] };
  };
  const variants = [
    await floor("(a) bare Worker", "bare"),
    await floor("(b) new object, a record a stage", "durable"),
    await floor("(c) new object, nothing stored", "empty"),
    await coordinator("(d) coordinator, JSON", "json"),
    await coordinator("(e) coordinator, stream", "stream"),
  ];
  const path = criticalPath(SPECIFIED);
  for (const { shot } of variants) await fire(16, 16, shot);
  for (let round = 0; round < rounds; round += 1) {
    for (const { shot, alone, crowd } of variants) {
      // A run takes a third of a second: a share of the shots is enough, and all that there is time for.
      alone.push(...(await fire(1, Math.ceil(shots / 40), shot)).latencies.map((ms) => ms - path));
      crowd.push(...(await fire(16, Math.ceil(shots / 4), shot)).latencies.map((ms) => ms - path));
    }
  }
  for (const { server } of variants) await server.close();
  console.log(`\n## Stages of 12, 8, 80 and 80 at once, 220 ms: what a run takes beyond ${path} ms\n`);
  console.log("(d) and (e) without result cache and log, each caller in a conversation that exists\n");
  printTable(
    ["", "p50 ms, 1 caller", "p95", "p50 ms, 16 callers", "p95"],
    variants.map(({ name, alone, crowd }) => [
      name,
      ...[quantile(alone, 0.5), quantile(alone, 0.95), quantile(crowd, 0.5), quantile(crowd, 0.95)].map(
        (ms) => ms.toFixed(2),
      ),
    ]),
  );
  return judge(variants);
}

function judge([, durable, empty, waiting]: readonly Variant[]): Verdict[] {
  if (!durable || !empty || !waiting) return [];
  const bound = quantile(durable.crowd, 0.95);
  return [
    atMost(
      "stage times: (d) at most (c)'s overhead + 1 ms, p50, 1 caller (difference)",
      median(waiting.alone) - median(empty.alone),
      1,
      2,
      " ms",
    ),
    atMost(
      `stage times: (d) at most (b)'s overhead, p95, 16 callers (here ${bound.toFixed(2)} ms)`,
      quantile(waiting.crowd, 0.95),
      bound,
      2,
      " ms",
    ),
  ];
}
