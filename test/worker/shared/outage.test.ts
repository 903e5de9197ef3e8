// Redis gone, slow, refusing and talking nonsense: no execution fails by it, little is added and soon nothing, it is
// said once, the limiter counts alone, and when Redis is back it is used again.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentServer, answers, startAgentServer } from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { type RedisRest, startRedis } from "../../support/servers/redis.ts";

const MOODS: readonly (readonly [string, (redis: RedisRest) => unknown, (redis: RedisRest) => unknown])[] = [
  ["gone", (redis) => redis.leave(), (redis) => redis.back()],
  ["slow", (redis) => redis.feel({ slow: 3_000 }), (redis) => redis.feel("well")],
  ["hanging", (redis) => redis.feel("hanging"), (redis) => redis.feel("well")],
  ["refusing", (redis) => redis.feel("refusing"), (redis) => redis.feel("well")],
  ["talking nonsense", (redis) => redis.feel("garbage"), (redis) => redis.feel("well")],
];

const sleep = (ms: number) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** A coordinator whose Redis can be hurt. */
interface World {
  agents: AgentServer;
  redis: RedisRest;
  coordinator: Coordinator;
}

const worlds = new Map<string, World>();

beforeAll(async () => {
  await Promise.all(
    MOODS.map(async ([name]) => {
      const agents = await startAgentServer();
      agents.on("/one", answers({ by: "one" }));
      const redis = await startRedis();
      const coordinator = await startCoordinator([agents], {
        UPSTASH_REDIS_REST_URL: redis.url,
        UPSTASH_REDIS_REST_TOKEN: redis.token,
        AGENT_COORDINATOR_RATE_LIMIT: "40/600",
        AGENT_COORDINATOR_CACHING: "true",
      });
      worlds.set(name, { agents, redis, coordinator });
      await coordinator.agent("one", agents.url("/one"));
      const chain = ["a", "b", "c", "d"].map((stage, at, all) => ({
        name: stage,
        agent_type: "one",
        depends_on: at === 0 ? [] : [all[at - 1]],
      }));
      await coordinator.pipeline("p", chain);
    }),
  );
});

afterAll(() => closeAll(...[...worlds.values()].flatMap((of) => [of.coordinator, of.agents, of.redis])));

let asked = 0;

async function run({ coordinator }: World): Promise<{ ms: number; status: string }> {
  asked += 1;
  const began = performance.now();
  const { body } = await coordinator.run({ pipeline: "p", query: `question ${asked}` });
  return { ms: performance.now() - began, status: body.status };
}

test.each(MOODS)("Redis %s costs at most 250 ms once, fails nothing, is logged once", async (name, begin) => {
  const of = worlds.get(name) as World;
  const { redis, coordinator } = of;
  const healthy = [];
  for (let made = 0; made < 5; made += 1) healthy.push(await run(of));
  const usual = Math.max(...healthy.map(({ ms }) => ms));
  await begin(redis);
  const first = await run(of);
  const later = [await run(of), await run(of), await run(of)];
  for (const { status } of [...healthy, first, ...later]) expect(status).toBe("completed");
  const rest = Math.min(...later.map(({ ms }) => ms));
  console.log(
    `Redis ${name}: usually ${Math.round(usual)} ms, then ${Math.round(first.ms)}, then ${Math.round(rest)}`,
  );
  expect(first.ms).toBeLessThan(usual + 250 + 100);
  expect(rest).toBeLessThan(usual + 50);
  expect(coordinator.output().match(/Redis is unavailable/g)).toHaveLength(1);

  // The limiter counts alone, and its limit holds.
  const others = await Promise.all(Array.from({ length: 60 }, () => coordinator.run({ pipeline: "nobody" })));
  expect(others.filter(({ status }) => status === 429).length).toBeGreaterThan(10);
  const before = redis.requests();
  await coordinator.run({ pipeline: "nobody" });
  expect(redis.requests() - before).toBeLessThanOrEqual(1);
});

// What is timed is over: these wait side by side.
test.concurrent.for(MOODS)("Redis that was %s is used again by itself", async ([name, , end], { expect }) => {
  const of = worlds.get(name) as World;
  const { redis, coordinator } = of;
  await end(redis);
  await sleep(5_200);
  // Found out after a call, by none: the one that comes after it is counted by Redis again, which has room.
  await expect
    .poll(async () => (await coordinator.run({ pipeline: "nobody" })).status, {
      timeout: 20_000,
      interval: 300,
    })
    .toBe(404);
  const back = redis.requests();
  expect((await run(of)).status).toBe("completed");
  // The limiter counts the call, and the cache is asked; its results are reported after the answer.
  await expect.poll(() => redis.requests() - back).toBe(3);
  expect(coordinator.output().match(/Redis is unavailable/g)).toHaveLength(1);
  expect(coordinator.output()).not.toContain("UNHANDLED");
});
