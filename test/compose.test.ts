// What an execution has left is forgotten in an order in which a failure leaves it to be found and deleted again.
import { expect, test } from "vitest";
import { forgetExecution } from "../src/compose.ts";
import type { Env } from "../src/settings.ts";
import { makeStage } from "./core/simulation/spec.ts";
import { ran } from "./core/monitoring/runs.ts";

test("an execution whose cached results cannot be deleted stays in the index", async () => {
  const { state } = await ran([makeStage("a")], { a: 1 }, { config: { enable_caching: true } });
  const forgotten: string[] = [];
  let isDown = true;
  const of = (name: string, refuses: () => boolean) => ({
    idFromName: (id: string) => id,
    get: () => ({
      forget: async () => {
        if (refuses()) throw new Error("overloaded");
        forgotten.push(name);
      },
    }),
  });
  const env = {
    LEDGER: of("index", () => false),
    RESULT_CACHE: of("cache", () => isDown),
    CONVERSATIONS: of("conversation", () => false),
  } as unknown as Env;
  await expect(forgetExecution(env, { ...state, ended_at: Date.now() })).rejects.toThrow("overloaded");
  expect(forgotten).not.toContain("index");
  isDown = false;
  await forgetExecution(env, { ...state, ended_at: Date.now() });
  expect(forgotten.slice(-2)).toEqual(["cache", "index"]);
});
