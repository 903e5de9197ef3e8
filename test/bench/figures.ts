// npm run bench:figures: what an execution pays on its own path for its metrics, traces and logs. The same run on five
// coordinators side by side, in interleaved rounds: with nothing (twice), with metrics, with the log as well (the
// defaults), and with traces and webhooks besides. The caller's latency is the run's own path; the processor's time
// is all of it, also what comes after the end.
import { mkdir } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { existsSync } from "node:fs";
import { buildConsole } from "../../src/cli/console.ts";
import { closeConnections, fire, median, pause, quantile, send } from "./load.ts";
import { type BenchServer, bundle, startCoordinator } from "./servers.ts";

const ROUNDS = Number(process.env["BENCH_ROUNDS"] ?? 12);
const SHOTS = Number(process.env["BENCH_SHOTS"] ?? 5);
/** Longer than any report waits after a run's end: the reports of one run must not overlap with the next run. */
const PAUSE_MS = Number(process.env["BENCH_PAUSE_MS"] ?? 1_400);

const sink = createServer((request, response) => {
  request.resume();
  request.on("end", () => response.writeHead(200).end());
});
await new Promise<void>((resolve) => {
  sink.listen(0, "127.0.0.1", resolve);
});
const sinkUrl = `http://127.0.0.1:${(sink.address() as AddressInfo).port}`;

const NOTHING = { enable_metrics_collection: false, enable_detailed_logging: false };
const VARIANTS: [name: string, config: Record<string, unknown>, vars: Record<string, string>][] = [
  ["nothing", NOTHING, {}],
  // How far two of the same lie apart is what can be measured at all.
  ["nothing, once more", NOTHING, {}],
  ["metrics", { enable_detailed_logging: false }, {}],
  ["metrics and log (default)", {}, {}],
  [
    "and traces and webhooks",
    {},
    {
      OTEL_EXPORTER_OTLP_ENDPOINT: sinkUrl,
      AGENT_COORDINATOR_WEBHOOK_URL: sinkUrl,
      AGENT_COORDINATOR_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 7).toString("base64")}`,
      AGENT_COORDINATOR_WEBHOOK_EVENTS: "execution.completed",
    },
  ],
];

const parent = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
await mkdir(parent, { recursive: true });
// wrangler.toml names dist/console: without it no bundle is made.
await buildConsole();
const scripts = {
  agents: await bundle("test/bench/workers/agent-worker.ts"),
  coordinator: await bundle("src/index.ts"),
};
const servers: {
  name: string;
  server: BenchServer;
  latencies: number[];
  medians: number[];
  cpu: number[];
}[] = [];
for (const [name, config, vars] of VARIANTS) {
  const server = await startCoordinator(scripts.coordinator, scripts.agents, parent, vars);
  await send(`${server.url}/v1/agents/instant`, { binding: "AGENTS", path: "/instant" });
  const stages = ["s1", "s2", "s3", "s4"].map((stage, at, all) => ({
    name: stage,
    agent_type: "instant",
    cache: false,
    depends_on: all.slice(Math.max(0, at - 1), at),
  }));
  await send(`${server.url}/v1/pipelines/bench`, { stages });
  await send(`${server.url}/v1/config`, config, "PATCH");
  servers.push({ name, server, latencies: [], medians: [], cpu: [] });
}

const question = JSON.stringify({ query: "a question", conversation_id: "c", pipeline: "bench" });
for (let round = -1; round < ROUNDS; round += 1) {
  // The first variant of a round is the last of the next.
  for (const of of round % 2 === 0 ? servers : servers.toReversed()) {
    const before = await of.server.cpu();
    const latencies: number[] = [];
    for (let shot = 0; shot < SHOTS; shot += 1) {
      latencies.push(
        ...(await fire(1, 1, () => ({ url: `${of.server.url}/v1/executions`, body: question }))).latencies,
      );
      // Reports after the answer must not delay the next run: no caller waits for them.
      await pause(PAUSE_MS);
    }
    if (round < 0) continue;
    of.latencies.push(...latencies);
    of.medians.push(median(latencies));
    of.cpu.push(((await of.server.cpu()) - before) / SHOTS);
  }
}

console.log(`\n${ROUNDS} rounds of ${SHOTS} runs of four instant stages, one after another, interleaved\n`);
console.log(
  "| | p10 ms | p50 ms | p90 ms | p50 less nothing's, by round: median (p10 to p90) | CPU ms/run |\n|---|---|---|---|---|---|",
);
const base = servers[0]?.medians ?? [];
for (const { name, latencies, medians, cpu } of servers) {
  const differences = medians.map((ms, at) => ms - (base[at] ?? ms));
  const spread = `${median(differences).toFixed(2)} (${quantile(differences, 0.1).toFixed(2)} to ${quantile(differences, 0.9).toFixed(2)})`;
  const cells = [...[0.1, 0.5, 0.9].map((q) => quantile(latencies, q).toFixed(2)), spread];
  console.log(`| ${name} | ${cells.join(" | ")} | ${median(cpu).toFixed(2)} |`);
}
for (const { server } of servers) await server.close();
closeConnections();
sink.close();
