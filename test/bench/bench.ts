// npm run bench: what the coordinator costs on top of the platform. Six ways of making the same four calls, run in
// interleaved rounds and compared as ratios, on the machine's own disk and on a memory disk.
//
// What it does not measure: the network between a caller and Cloudflare, agents that take time to think (but for the
// section that says so), the platform's own placement of objects, a cold isolate, or more than one machine. Objects
// of workerd keep three files open for ten seconds each, so that a long run needs a raised limit of open files.
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { type BenchServer, bundle, startCoordinator, startFloor } from "./servers.ts";
import { closeConnections, fire, median, quantile, type Shot, shoot } from "./load.ts";

const ROUNDS = Number(process.env["BENCH_ROUNDS"] ?? 5);
const SHOTS = Number(process.env["BENCH_SHOTS"] ?? 200);
const STAGES = ["s1", "s2", "s3", "s4"];

interface Variant {
  name: string;
  server: BenchServer;
  shot: () => Shot;
}

interface Figures {
  perSecond: Map<number, number[]>;
  cpu: number[];
  alone: number[];
}

const scripts = {
  floor: await bundle("test/bench/floor-worker.ts"),
  agents: await bundle("test/bench/agent-worker.ts"),
  coordinator: await bundle("src/index.ts"),
};
console.log(`bundle of the Worker: ${(scripts.coordinator.length / 1024).toFixed(0)} KiB minified`);

for (const [disk, parent] of disks()) {
  await mkdir(parent, { recursive: true });
  console.log(
    `\n## Four instant stages, storage on ${disk} (${ROUNDS} rounds of ${SHOTS} runs, interleaved)\n`,
  );
  await compare(parent);
}
closeConnections();

function disks(): [string, string][] {
  const found: [string, string][] = [["the machine's disk", tmpdir()]];
  if (existsSync("/dev/shm")) found.push(["a memory disk", "/dev/shm"]);
  return found;
}

async function compare(parent: string): Promise<void> {
  const servers = {
    bare: await startFloor(scripts.floor, scripts.agents, parent),
    durable: await startFloor(scripts.floor, scripts.agents, parent),
    empty: await startFloor(scripts.floor, scripts.agents, parent),
    waiting: await startCoordinator(scripts.coordinator, scripts.agents, parent),
    streaming: await startCoordinator(scripts.coordinator, scripts.agents, parent),
    memory: await startCoordinator(scripts.coordinator, scripts.agents, parent),
  };
  for (const name of ["waiting", "streaming", "memory"] as const) await define(servers[name].url);
  await put(`${servers.memory.url}/v1/config`, { context_storage_backend: "memory" }, "PATCH");
  const question = JSON.stringify({ query: "a question", conversation_id: "c", pipeline: "bench" });
  const run = (server: BenchServer, accept: string) => () => ({
    url: `${server.url}/v1/executions`,
    headers: { accept },
    body: question,
  });
  const floor = (server: BenchServer, path: string) => () => ({
    url: `${server.url}/${path}`,
    body: question,
  });
  const variants: Variant[] = [
    { name: "(a) bare Worker", server: servers.bare, shot: floor(servers.bare, "bare") },
    {
      name: "(b) new object, a record a stage",
      server: servers.durable,
      shot: floor(servers.durable, "durable"),
    },
    { name: "(c) new object, nothing stored", server: servers.empty, shot: floor(servers.empty, "empty") },
    {
      name: "(d) coordinator, JSON",
      server: servers.waiting,
      shot: run(servers.waiting, "application/json"),
    },
    {
      name: "(e) coordinator, stream",
      server: servers.streaming,
      shot: run(servers.streaming, "text/event-stream"),
    },
    {
      name: "(f) coordinator, memory",
      server: servers.memory,
      shot: run(servers.memory, "application/json"),
    },
  ];
  const figures = new Map<string, Figures>(
    variants.map(({ name }) => [name, { perSecond: new Map(), cpu: [], alone: [] }]),
  );
  for (const variant of variants) await fire(4, 40, variant.shot);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const variant of variants) await measure(variant, figures.get(variant.name) as Figures);
  }
  print(variants, figures);
  for (const server of Object.values(servers)) await server.close();
}

async function measure({ server, shot }: Variant, into: Figures): Promise<void> {
  into.alone.push(...(await fire(1, Math.ceil(SHOTS / 4), shot)).latencies);
  for (const callers of [8, 32]) {
    const cpu = await server.cpu();
    const { elapsed_ms } = await fire(callers, SHOTS, shot);
    const rates = into.perSecond.get(callers) ?? [];
    into.perSecond.set(callers, [...rates, (SHOTS * 1_000) / elapsed_ms]);
    into.cpu.push(((await server.cpu()) - cpu) / SHOTS);
  }
}

function print(variants: Variant[], figures: Map<string, Figures>): void {
  const floor = figures.get(variants[1]?.name ?? "") as Figures;
  const rate = (of: Figures, callers: number) => median(of.perSecond.get(callers) ?? []);
  console.log(
    "| | runs/s, 8 callers | 32 callers | of (b) | CPU ms/run | of (b) | p50 ms, 1 caller | p95 | p99 |\n|---|---|---|---|---|---|---|---|---|",
  );
  for (const { name } of variants) {
    const of = figures.get(name) as Figures;
    const cells = [
      rate(of, 8).toFixed(0),
      rate(of, 32).toFixed(0),
      (rate(of, 32) / rate(floor, 32)).toFixed(2),
      median(of.cpu).toFixed(2),
      (median(of.cpu) / median(floor.cpu)).toFixed(2),
      ...[0.5, 0.95, 0.99].map((q) => quantile(of.alone, q).toFixed(2)),
    ];
    console.log(`| ${name} | ${cells.join(" | ")} |`);
  }
}

async function define(url: string): Promise<void> {
  await put(`${url}/v1/agents/instant`, { binding: "AGENTS", path: "/instant" });
  const stages = STAGES.map((name, at) => ({
    name,
    agent_type: "instant",
    depends_on: STAGES.slice(Math.max(0, at - 1), at),
  }));
  await put(`${url}/v1/pipelines/bench`, { stages });
}

async function put(url: string, body: unknown, method = "PUT"): Promise<void> {
  const { status, text } = await shoot({ url, method, body: JSON.stringify(body) });
  if (status >= 300) throw new Error(`${method} ${url}: ${status} ${text}`);
}
