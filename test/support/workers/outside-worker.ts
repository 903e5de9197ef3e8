// The chaos Worker with a way to an execution's object: under /outside/:execution_id the RPC of answers and of what a
// stage asks.
import { composeServices } from "../../../src/compose.ts";
import type { SignalMessage, WaitToken } from "../../../src/engine/object-protocol.ts";
import { problemOf, problemResponse } from "../../../src/http/problem.ts";
import app from "../../../src/index.ts";
import type { Result } from "../../../src/contract/problem.ts";
import type { Env } from "../../../src/settings.ts";

export * from "./chaos-worker.ts";

const TENANT = "local";

export default {
  async fetch(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
    const { pathname } = new URL(request.url);
    const [, first, second] = pathname.split("/");
    const services = composeServices(env);
    if (!services.ok) return new Response(null, { status: 500 });
    const { executions } = services.value;
    const shown = <T>(result: Result<T>) =>
      result.ok ? Response.json(result.value) : problemResponse(problemOf(result.error, pathname));
    if (first === "outside") {
      const rpc = executions.rpc(TENANT, second ?? "");
      const asked = await request.json<Asked>();
      return "command" in asked
        ? shown(await rpc.signal(asked))
        : shown(await rpc.waitOf(asked.stage, asked.token));
    }
    return app.fetch(request, env, ctx);
  },
};

type Asked = SignalMessage | { stage: string; token: WaitToken | null };
