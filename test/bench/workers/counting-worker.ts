// The counted coordinator and the floor in one Worker.
import type { Env } from "../../../src/settings.ts";
import { counted } from "../../support/counting/classes.ts";
import coordinator from "../../support/workers/counting-worker.ts";
import floor, { type FloorEnv, FloorObject as Floor } from "./floor-worker.ts";

export * from "../../support/workers/counting-worker.ts";
export const FloorObject = counted("FloorObject", Floor);

export default {
  async fetch(request: Request, env: Env & FloorEnv, ctx: ExecutionContext): Promise<Response> {
    if (new URL(request.url).pathname === "/durable") return floor.fetch(request, env);
    return coordinator.fetch(request, env, ctx);
  },
};
