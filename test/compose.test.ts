// What an execution has left is forgotten in an order in which a failure leaves it to be found and deleted again. An
// object signs what the Worker reads.
import { expect, test, vi } from "vitest";
import { composePorts, composeServices, forgetExecution } from "../src/compose.ts";
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

/** The ports of an execution's object in an environment of these variables. */
function portsIn(vars: Record<string, unknown>) {
  const env = vars as unknown as Env;
  const storage = {} as Parameters<typeof composePorts>[1];
  return { env, ports: composePorts(env, storage, false, () => {}, null) };
}

test("the token that an execution gives an agent is read by the Worker, and costs nothing until it is asked for", async () => {
  const derived = vi.spyOn(crypto.subtle, "importKey");
  const { env, ports } = portsIn({ AGENT_COORDINATOR_AUTH: "none" });
  const services = composeServices(env);
  if (!services.ok) throw new Error(services.error.expected);
  expect(derived).not.toHaveBeenCalled();
  const claims = { tenant: "local", execution_id: "ex_1", started_at: 1, stage: "a", call: 3 };
  const token = await ports.callbackToken?.(claims);
  expect(await services.value.access.readCallbackToken(token ?? "")).toEqual(claims);
  expect(derived).toHaveBeenCalledTimes(1);
  derived.mockRestore();
});

test("an environment that cannot be used signs no token", async () => {
  const told = vi.spyOn(console, "error").mockImplementation(() => {});
  const { ports } = portsIn({ AGENT_COORDINATOR_TOKEN_SECRET: "short" });
  const claims = { tenant: "local", execution_id: "ex_1", started_at: 1, stage: "a", call: 3 };
  expect(await ports.callbackToken?.(claims)).toBeNull();
  expect(told.mock.calls.join()).toContain("AGENT_COORDINATOR_TOKEN_SECRET");
  told.mockRestore();
});
