// The platform, with its methods wrapped so that what they cost is counted: storage, timers, fetch, the clock, and the
// namespaces by which objects call one another. A put or a delete of the key-value API is one row, a setAlarm is one,
// and an SQL statement reports how many it wrote; deleteAll counts as none (whether it is billed is not documented).
import { add, addCursor, current, enter, holdUntil, leave, type Owner } from "./tally.ts";

type Storage = DurableObjectStorage;
type Cursor = SqlStorageCursor<Record<string, SqlStorageValue>>;
type Method = (this: object, ...args: unknown[]) => unknown;

/** Whose each object and each part of its storage is. */
export const owners = new WeakMap<object, Owner>();
/** Objects that were called, by id, and how they are reached. */
export const reached = new Map<string, DurableObjectNamespace>();
let isStorageWrapped = false;
let aheadMs = 0;

/** Lets this much time pass. */
export function moveClock(ms: number): void {
  aheadMs += ms;
}

const environments = new WeakMap<object, object>();

/** The environment, with every call of an object noted: it holds its caller, and the object can be reached again. */
export function countingEnv<T extends object>(env: T): T {
  const known = environments.get(env);
  if (known !== undefined) return known as T;
  const wrapped = Object.fromEntries(
    Object.entries(env).map(([name, binding]) => [
      name,
      isNamespace(binding) ? countingNamespace(binding) : (binding as unknown),
    ]),
  ) as T;
  environments.set(env, wrapped);
  return wrapped;
}

function isNamespace(binding: unknown): binding is DurableObjectNamespace {
  return typeof binding === "object" && binding !== null && "idFromName" in binding;
}

function countingNamespace(namespace: DurableObjectNamespace): DurableObjectNamespace {
  return new Proxy(namespace, {
    get(target, name) {
      const of: unknown = Reflect.get(target, name, target);
      if (typeof of !== "function") return of;
      return (...args: unknown[]) => {
        const given: unknown = Reflect.apply(of, target, args);
        if (name !== "get" && name !== "getByName") return given;
        const stub = given as DurableObjectStub;
        reached.set(stub.id.toString(), namespace);
        return countingStub(stub);
      };
    },
  });
}

function countingStub(stub: DurableObjectStub): DurableObjectStub {
  return new Proxy(stub, {
    get(target, name) {
      const of: unknown = Reflect.get(target, name, target);
      if (typeof of !== "function") return of;
      return (...args: unknown[]) => {
        const given: unknown = Reflect.apply(of, target, args);
        if (given instanceof Object && "then" in given) {
          holdUntil(current.getStore(), given as PromiseLike<unknown>);
        }
        return given;
      };
    },
  });
}

/** Counts what this storage, and all others, write from now on. */
export function wrapStorage(storage: Storage): void {
  if (isStorageWrapped) return;
  isStorageWrapped = true;
  const row = (owner: Owner, what: string) => add(owner, "rows", what);
  const put = (owner: Owner, _: unknown, [key]: unknown[]) => row(owner, `put ${partOf(key)}`);
  const remove = (owner: Owner, _: unknown, [key]: unknown[]) => row(owner, `delete ${partOf(key)}`);
  wrap(storage, "setAlarm", (owner) => row(owner, "setAlarm"));
  wrap(storage, "put", put);
  wrap(storage, "delete", remove);
  wrap(storage.kv, "put", put);
  wrap(storage.kv, "delete", remove);
  wrap(storage.sql, "exec", (owner, cursor, [statement]) =>
    addCursor(owner, summaryOf(String(statement)), cursor as Cursor),
  );
}

/** A key without what differs from one object to the next. */
function partOf(key: unknown): string {
  return String(key).split("/", 1)[0] as string;
}

/** The verb of a statement, and the table that it changes. */
function summaryOf(statement: string): string {
  const [verb = ""] = statement.trim().split(/\s/, 1);
  // A table of a period has its number in its name.
  const [, table = ""] =
    /(?:INTO|FROM|UPDATE|TABLE(?: IF(?: NOT)? EXISTS)?)\s+"?(\w+)/i.exec(statement) ?? [];
  return `${verb} ${table.replace(/_?\d+$/, "")}`.trim();
}

/** Lets `then` know of every call of a method, with what it gave. */
function wrap(
  of: object,
  method: string,
  then: (owner: Owner, gave: unknown, args: unknown[]) => void,
): void {
  const prototype = Object.getPrototypeOf(of) as Record<string, Method>;
  const original = prototype[method];
  if (original === undefined) throw new Error(`storage has no method ${method}`);
  prototype[method] = function counting(this: object, ...args: unknown[]) {
    const gave = original.apply(this, args);
    const owner = owners.get(this);
    if (owner !== undefined) then(owner, gave, args);
    return gave;
  };
}

// What the whole isolate uses. As variables: these functions refuse a `this` that is not the global.
const realNow = Date.now;
const realSetTimeout = globalThis.setTimeout;
const realClearTimeout = globalThis.clearTimeout;
const realFetch = globalThis.fetch;
const timers = new Map<unknown, Owner>();

Date.now = () => realNow() + aheadMs;
globalThis.setTimeout = ((task: (...args: unknown[]) => void, ms?: number, ...rest: unknown[]) => {
  const owner = current.getStore();
  if (owner === undefined) return realSetTimeout(task, ms, ...rest);
  enter(owner);
  const id: unknown = realSetTimeout(() => {
    timers.delete(id);
    try {
      task(...rest);
    } finally {
      leave(owner);
    }
  }, ms);
  timers.set(id, owner);
  return id;
}) as typeof setTimeout;
globalThis.clearTimeout = (id?: unknown) => {
  const owner = timers.get(id);
  if (timers.delete(id) && owner !== undefined) leave(owner);
  realClearTimeout(id as number);
};
globalThis.fetch = (input: RequestInfo | URL, init?: RequestInit) => {
  const answer = realFetch(input, init);
  holdUntil(current.getStore(), answer);
  return answer;
};
