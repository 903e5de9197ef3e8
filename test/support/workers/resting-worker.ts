// The coordinator with what an execution's object leaves in memory: `/made/ID` says how often its object was made,
// `/timers` the delays of all pending timers, in ms. Objects and Worker are in one isolate.
import coordinator, { ExecutionObject as RealExecution } from "../../../src/index.ts";
import type { Env } from "../../../src/settings.ts";

// The class below is exported in place of the one of the same name here.
export * from "../../../src/index.ts";

const made = new Map<string, number>();
const timers = new Map<unknown, number>();

const { setTimeout: realSet, clearTimeout: realClear } = globalThis;
Object.assign(globalThis, {
  setTimeout: (task: () => void, ms = 0) => {
    const timer = realSet(() => {
      timers.delete(timer);
      task();
    }, ms);
    timers.set(timer, ms);
    return timer;
  },
  clearTimeout: (timer: ReturnType<typeof realSet>) => {
    timers.delete(timer);
    realClear(timer);
  },
});

export class ExecutionObject extends RealExecution {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const name = (ctx.id.name ?? "").split("/").at(-1) ?? "";
    made.set(name, (made.get(name) ?? 0) + 1);
  }

  /** What a full memory or a fault of the platform does to an object. */
  crash(): void {
    this.ctx.abort("crashed by a test");
  }
}

export default {
  async fetch(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
    const [, door, name = ""] = new URL(request.url).pathname.split("/");
    if (door === "made") return Response.json(made.get(name) ?? 0);
    if (door === "timers") return Response.json([...timers.values()]);
    return coordinator.fetch(request, env, ctx);
  },
};
