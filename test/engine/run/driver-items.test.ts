// A list of a thousand items by the driver: what it writes, what readers get of it, and what it takes of the memory.
import { describe, expect, test } from "vitest";
import type { PipelineExecution } from "../../../src/contract/execution.ts";
import { LIMITS } from "../../../src/contract/limits.ts";
import { MapSpec } from "../../../src/contract/stage.ts";
import type { ExecutionState } from "../../../src/core/execution/state.ts";
import { viewExecution } from "../../../src/core/execution/view/view.ts";
import { jsonWeight } from "../../../src/core/json/json-weight.ts";
import { makeSpec, makeStage } from "../../core/simulation/spec.ts";
import { Bench, later, said } from "../simulation/fair-weather.ts";

const ITEMS = 1_000;
const ANSWER = { text: "x".repeat(4 * 1024) };

const SPEC = makeSpec(
  [
    makeStage("each", { map: MapSpec.parse({ over: "context.docs", max_items: ITEMS, concurrency: 8 }) }),
    makeStage("last", { depends_on: ["each"] }),
  ],
  {},
  { context: { docs: Array.from({ length: ITEMS }, (_, at) => at) } },
);

interface Account {
  most: number;
  now: number;
}

/** @param ms how long an item's agent takes, by the virtual clock */
function mapping(ms: number): { bench: Bench; account: Account } {
  const account = { most: 0, now: 0 };
  const bench = new Bench((_request, _hooks, of) =>
    ms === 0 ? Promise.resolve(said(ANSWER)) : later(of, ms, said(ANSWER)),
  );
  const hold = (bytes: number) => {
    account.now = bytes;
    account.most = Math.max(account.most, bytes);
    return true;
  };
  bench.platform.outside = {
    memory: {
      isLarge: false,
      take: hold,
      keep: hold,
      rest: () => {},
      leave: () => {},
      free: () => {},
    },
  };
  return { bench, account };
}

const dataOf = (execution: PipelineExecution) =>
  execution.stage_results["each"]?.data as { items: { data: unknown }[]; truncated?: boolean };

describe.each([0, 20])("a thousand items of 4 KiB whose agents take %i ms", (ms) => {
  test("are written in few rows, bounded where readers get them, whole for the next stage", async () => {
    const { bench } = mapping(ms);
    await (await bench.start(SPEC)).until();
    expect(bench.types.at(-1)).toBe("execution.completed");
    expect(bench.types.filter((type) => type.startsWith("stage.completed each["))).toHaveLength(ITEMS);
    expect(bench.platform.rows).toBeLessThanOrEqual(ITEMS / 8 + 4);
    expect(bench.commits).toBeLessThanOrEqual(ITEMS / 8 + 4);
    const view = viewExecution(bench.driver.state as ExecutionState);
    for (const shown of [view, bench.log.at(-1)?.data as PipelineExecution]) {
      expect(JSON.stringify(shown).length).toBeLessThan(LIMITS.SHOWN_ITEMS_BYTES);
      expect(dataOf(shown)).toMatchObject({ completed: ITEMS, failed: 0, truncated: true });
    }
    const given = bench.requests.at(-1)?.call.inputs["each"] as { items: { data: unknown }[] };
    expect(given.items).toHaveLength(ITEMS);
    expect(given.items.every(({ data }) => JSON.stringify(data) === JSON.stringify(ANSWER))).toBe(true);
  });
});

test("They are in the memory's account once, by the answers as by the log.", async () => {
  const { bench, account } = mapping(0);
  await (await bench.start(SPEC)).until();
  const least = ITEMS * jsonWeight(ANSWER);
  expect(account.most).toBeGreaterThan(least);
  expect(account.most).toBeLessThan(least * 1.1);
  const { most } = account;
  bench.platform.evict();
  account.now = 0;
  expect(bench.driver.state?.status).toBe("completed");
  expect(Math.abs(account.now - most)).toBeLessThan(least / 10);
});
