// Durable Object classes with everything counted that their objects cost as the platform bills them: requests (fetches,
// RPC calls, alarms), rows written, and the time in memory. Runs inside workerd, in whose isolate all objects are.
import { countingEnv, moveClock, owners, reached, wrapStorage } from "./platform.ts";
import { add, current, enter, leave, type Owner } from "./tally.ts";

type Method = (this: object, ...args: unknown[]) => unknown;

const contexts = new WeakMap<object, DurableObjectState>();

/** Methods that every counted class has beside its own; they count as nothing. */
interface Doors {
  countedBytes(): Promise<[kind: string, bytes: number]>;
  countedAlarm(): Promise<void>;
}

/** What a class has stored, in bytes. @param objects that were called since the start */
export async function storedBytes(): Promise<Record<string, { objects: number; bytes: number }>> {
  const stored: Record<string, { objects: number; bytes: number }> = {};
  for (const [id, namespace] of reached) {
    const stub = namespace.get(namespace.idFromString(id)) as unknown as Doors;
    const [kind, bytes] = await stub.countedBytes();
    const of = (stored[kind] ??= { objects: 0, bytes: 0 });
    of.objects += 1;
    of.bytes += bytes;
  }
  return stored;
}

/** Moves the clock ahead and lets every alarm ring that is due by then. */
export async function passTime(ms: number): Promise<void> {
  moveClock(ms);
  for (const [id, namespace] of reached) {
    await (namespace.get(namespace.idFromString(id)) as unknown as Doors).countedAlarm();
  }
}

/** The class, with every object of it counted under `kind`. */
// oxlint-disable-next-line typescript/no-explicit-any -- what a mixin's constructor takes.
export function counted<Base extends new (...args: any[]) => object>(kind: string, base: Base): Base {
  const sub = class extends base {
    // oxlint-disable-next-line typescript/no-explicit-any -- as above
    constructor(...args: any[]) {
      const [ctx, env] = args as [DurableObjectState, object];
      const { storage } = ctx;
      const owner: Owner = { kind, id: ctx.id.toString(), depth: 0, since: 0 };
      for (const of of [storage, storage.kv, storage.sql]) owners.set(of, owner);
      wrapStorage(storage);
      super(ctx, countingEnv(env));
      owners.set(this, owner);
      contexts.set(this, ctx);
    }
  };
  const prototype = sub.prototype as Record<string, Method>;
  for (const [name, method] of methodsOf(base.prototype as object)) prototype[name] = entry(name, method);
  prototype["countedBytes"] = async function countedBytes(this: object) {
    return [kind, contextOf(this).storage.sql.databaseSize];
  };
  prototype["countedAlarm"] = async function countedAlarm(this: object) {
    const { storage } = contextOf(this);
    const at = await storage.getAlarm();
    if (at === null || at > Date.now()) return;
    await storage.deleteAlarm();
    // As the platform calls it: an execution knows by the time that its reports were delivered.
    await prototype["alarm"]?.call(this, { retryCount: 0, isRetry: false, scheduledTime: at });
  };
  return sub;
}

function contextOf(object: object): DurableObjectState {
  return contexts.get(object) as DurableObjectState;
}

/** A class's methods, those that it inherits included. */
function methodsOf(prototype: object): Map<string, Method> {
  const found = new Map<string, Method>();
  for (let at = prototype; at !== Object.prototype; at = Object.getPrototypeOf(at) as object) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
      if (typeof value === "function" && name !== "constructor" && !found.has(name))
        found.set(name, value as Method);
    }
  }
  return found;
}

/** A call from outside is a request; one that the object makes of itself, or in its constructor, is not. */
function entry(name: string, method: Method): Method {
  return function counting(this: object, ...args: unknown[]) {
    const owner = owners.get(this);
    if (owner === undefined || current.getStore() === owner) return method.apply(this, args);
    add(owner, "requests", name);
    enter(owner);
    try {
      const given = current.run(owner, () => method.apply(this, args));
      return Promise.resolve(given).then(
        (value: unknown) => (value instanceof Response ? untilRead(owner, value) : left(owner, value)),
        (cause: unknown) => {
          leave(owner);
          throw cause;
        },
      );
    } catch (cause) {
      leave(owner);
      throw cause;
    }
  };
}

function left<T>(owner: Owner, value: T): T {
  leave(owner);
  return value;
}

/** The response, whose owner is held until its body has been read or given up. */
function untilRead(owner: Owner, response: Response): Response {
  if (response.body === null) return left(owner, response);
  const reader = response.body.getReader();
  let isOver = false;
  const over = () => {
    if (!isOver) leave(owner);
    isOver = true;
  };
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (!done) return controller.enqueue(value);
          controller.close();
        } catch (cause) {
          controller.error(cause);
        }
        over();
      },
      cancel(reason) {
        over();
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, response);
}
