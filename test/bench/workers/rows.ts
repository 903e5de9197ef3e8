// Counts the rows that Durable Objects write, as the platform bills them: a put or a delete of the key-value API is
// one, a setAlarm is one, and an SQL statement says itself how many it wrote. Runs inside workerd, by laying itself
// over the methods of storage; every class's objects are counted under its name.

type Storage = DurableObjectStorage;
type Cursor = SqlStorageCursor<Record<string, SqlStorageValue>>;

const owners = new WeakMap<object, string>();
const rows = new Map<string, number>();
/** Statements whose cursors may still be read: what they wrote is asked for when the rows are. */
let cursors: { owner: string; cursor: Cursor }[] = [];
let isLaid = false;

/** The class, with every object of it counted under `name`. */
// oxlint-disable-next-line typescript/no-explicit-any -- what a mixin's constructor takes.
export function counted<Base extends new (...args: any[]) => object>(name: string, base: Base): Base {
  return class extends base {
    // oxlint-disable-next-line typescript/no-explicit-any -- as above
    constructor(...args: any[]) {
      const { storage } = args[0] as DurableObjectState;
      owners.set(storage, name);
      owners.set(storage.kv, name);
      owners.set(storage.sql, name);
      if (!isLaid) lay(storage);
      super(...args);
    }
  };
}

/** The rows written by each class since it was last asked. */
export function takeRows(): Record<string, number> {
  for (const { owner, cursor } of cursors) add(owner, cursor.rowsWritten);
  cursors = [];
  const taken = Object.fromEntries(rows);
  rows.clear();
  return taken;
}

function add(owner: string, count: number): void {
  rows.set(owner, (rows.get(owner) ?? 0) + count);
}

function lay(storage: Storage): void {
  isLaid = true;
  const one = (owner: string) => add(owner, 1);
  over(storage, "setAlarm", one);
  over(storage, "put", one);
  over(storage, "delete", one);
  over(storage.kv, "put", one);
  over(storage.kv, "delete", one);
  over(storage.sql, "exec", (owner, cursor) => cursors.push({ owner, cursor: cursor as Cursor }));
}

/** Lets `then` know of every call of a method, with what it gave. */
function over(of: object, method: string, then: (owner: string, gave: unknown) => void): void {
  const prototype = Object.getPrototypeOf(of) as Record<string, (...args: unknown[]) => unknown>;
  const original = prototype[method];
  if (original === undefined) throw new Error(`storage has no method ${method}`);
  prototype[method] = function counting(this: object, ...args: unknown[]) {
    const gave = original.apply(this, args);
    then(owners.get(this) ?? "unknown", gave);
    return gave;
  };
}
