// npm run bench:shared: what the parts that executions share cost, and what a hedge does for an agent that is slow
// once in twenty calls. Real workerd on loopback, storage where temporary files lie; four instant stages a run.
import { after, answers, startAgentServer } from "../support/agents/agent-server.ts";
import { startCoordinator } from "../support/servers/coordinator.ts";
import { startRedis } from "../support/servers/redis.ts";

const RUNS = Number(process.env["BENCH_RUNS"] ?? 300);
const SLOW_MS = 2_000;

type Vars = Record<string, string>;
const agents = await startAgentServer();
const redis = await startRedis();
const upstash = { UPSTASH_REDIS_REST_URL: redis.url, UPSTASH_REDIS_REST_TOKEN: redis.token };
agents.on("/instant", answers({ said: "something" }));

console.log(`## Four instant stages, ${RUNS} runs one after another, ms\n\n| | p50 | p95 |\n|---|---|---|`);
const plain = { AGENT_COORDINATOR_CIRCUIT_BREAKER: "false", AGENT_COORDINATOR_CACHING: "false" };
const guarded = { ...plain, AGENT_COORDINATOR_CIRCUIT_BREAKER: "true" };
const caching = { ...guarded, AGENT_COORDINATOR_CACHING: "true" };
await fourStages("nothing shared", plain, 0, true);
await fourStages("breaker, agents healthy", guarded, 0, true);
await fourStages("and the conversation's memory", guarded, 5, true);
await fourStages("and the cache, which misses", caching, 5, true);
await fourStages("the cache on Redis, which misses", { ...caching, ...upstash }, 5, true);
await fourStages("the cache, which hits", caching, 0, false);
await fourStages("the cache on Redis, which hits", { ...caching, ...upstash }, 0, false);

console.log(
  `\n## An agent that takes ${SLOW_MS} ms once in 20 calls, else 5, ${RUNS} runs of 2 callers, ms\n`,
);
console.log("| | p50 | p95 | p99 | calls |\n|---|---|---|---|---|");
await hedging("without a hedge", {});
await hedging("hedge_after_ms 400", { hedge_after_ms: 400 });

await redis.close();
await agents.close();

async function fourStages(name: string, vars: Vars, memory: number, fresh: boolean): Promise<void> {
  const coordinator = await startCoordinator([agents], vars);
  await coordinator.agent("instant", agents.url("/instant"));
  await coordinator.pipeline(
    "p",
    ["a", "b", "c", "d"].map((stage, at, all) => ({
      name: stage,
      agent_type: "instant",
      depends_on: at === 0 ? [] : [all[at - 1]],
    })),
  );
  await coordinator.fetch("/v1/config", {
    method: "PATCH",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ context_memory_size: memory }),
  });
  const took: number[] = [];
  for (let made = -20; made < RUNS; made += 1) {
    const query = fresh ? `question ${made}` : "the same question";
    const began = performance.now();
    await coordinator.run({ pipeline: "p", query, conversation_id: `c${made % 10}` });
    if (made >= 0) took.push(performance.now() - began);
  }
  console.log(`| ${name} | ${quantile(took, 0.5)} | ${quantile(took, 0.95)} |`);
  await coordinator.close();
}

async function hedging(name: string, fields: Record<string, unknown>): Promise<void> {
  const coordinator = await startCoordinator([agents]);
  let calls = 0;
  agents.on("/uneven", (call, response) => {
    calls += 1;
    return after(calls % 20 === 0 ? SLOW_MS : 5, answers({}))(call, response, 0);
  });
  await coordinator.agent("uneven", agents.url("/uneven"));
  await coordinator.pipeline("p", [{ name: "only", agent_type: "uneven", ...fields }]);
  const took: number[] = [];
  let left = RUNS;
  const caller = async () => {
    while (left-- > 0) {
      const began = performance.now();
      await coordinator.run({ pipeline: "p" });
      took.push(performance.now() - began);
    }
  };
  await Promise.all(Array.from({ length: 2 }, caller));
  const figures = [0.5, 0.95, 0.99].map((share) => quantile(took, share));
  console.log(`| ${name} | ${figures.join(" | ")} | ${calls} |`);
  await coordinator.close();
}

function quantile(values: readonly number[], share: number): string {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] as number).toFixed(1);
}
