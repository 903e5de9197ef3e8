// The Worker's client of a tenant's catalog: what it asks for again, what it goes on with where the catalog does not
// answer and for how long, and how much of it an isolate holds.
import type { CatalogRpc, CatalogText } from "../../../src/engine/worker-ports.ts";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { catalogsOver } from "../../../src/adapters/durable/catalog-client.ts";
import type { Clock } from "../../../src/engine/ports.ts";
import type { Pipeline } from "../../../src/contract/pipeline.ts";

const MINUTE = 60_000;

/** Catalogs of many tenants in memory, which can be made to fail. */
class World {
  at = Date.UTC(2026, 10, 26);
  mode: "answers" | "fails" | "hangs" = "answers";
  /** What `config.size` of each tenant is: the number of its writes, unless it is set. */
  readonly config = new Map<string, unknown>();
  readonly asked: { tenant: string; revision: string | null; sent: boolean }[] = [];
  /** Pipelines whose definitions are read by name, and which were. */
  readonly large = new Map<string, Pipeline>();
  readonly read_by_name: string[] = [];
  readonly lines: { level: string; message: unknown; tenant: unknown }[] = [];
  /** Its timers are vitest's; time has passed by as much when one is due. */
  readonly clock: Clock = {
    now: () => this.at,
    after: (ms, task) => {
      const due = this.at + ms;
      const timer = setTimeout(() => {
        this.at = Math.max(this.at, due);
        task();
      }, ms);
      return () => clearTimeout(timer);
    },
  };
  readonly catalogs = catalogsOver({
    catalog: (tenant) => this.rpc(tenant),
    clock: this.clock,
    log: (level, { message, tenant }) => this.lines.push({ level, message, tenant }),
  });

  text(tenant: string): CatalogText {
    const config = this.config.get(tenant) ?? "first";
    const versions = Object.fromEntries(Array.from(this.large, ([name, { version }]) => [name, version]));
    const definitions = JSON.stringify({ pipelines: {}, versions, agents: {}, config });
    const revision = JSON.stringify([config, versions]);
    return { definitions, revision, health: { at: this.at, agents: {} } };
  }

  define(name: string, version: number, chars = 10): Pipeline {
    const pipeline = { name, version, stages: [{ name: "x".repeat(chars) }] } as unknown as Pipeline;
    this.large.set(name, pipeline);
    return pipeline;
  }

  async pipeline(name: string, maxAgeMs?: number): Promise<Pipeline | undefined> {
    return (await this.catalogs.readFor("acme", name, maxAgeMs)).pipelines[name];
  }

  async read(tenant = "acme", maxAgeMs?: number): Promise<unknown> {
    return (await this.catalogs.read(tenant, maxAgeMs)).config;
  }

  async write(value: unknown, tenant = "acme"): Promise<unknown> {
    const written = await this.catalogs.write(tenant, async (rpc) => {
      this.config.set(tenant, value);
      return { outcome: null, snapshot: await rpc.snapshot(null) };
    });
    return written.snapshot.config;
  }

  private rpc(tenant: string): CatalogRpc {
    const snapshot = async (revision: string | null): Promise<CatalogText> => {
      if (this.mode === "fails") throw new Error("the object broke");
      if (this.mode === "hangs") return new Promise(() => {});
      const text = this.text(tenant);
      const sent = revision !== text.revision;
      this.asked.push({ tenant, revision, sent });
      return sent ? text : { ...text, definitions: null };
    };
    const pipeline = async (name: string): Promise<string | null> => {
      if (this.mode === "fails") throw new Error("the object broke");
      this.read_by_name.push(name);
      const found = this.large.get(name);
      return found === undefined ? null : JSON.stringify(found);
    };
    const pipelines = async () => JSON.stringify(Object.fromEntries(this.large));
    return { snapshot, pipeline, pipelines } as unknown as CatalogRpc;
  }
}

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => {
  vi.useRealTimers();
});

test("what has not changed is not sent again, and stays the same value", async () => {
  const first = await world.catalogs.read("acme");
  world.at += 2_000;
  const second = await world.catalogs.read("acme");
  expect(second.pipelines).toBe(first.pipelines);
  expect(second.health.at).toBe(world.at);
  world.config.set("acme", "other");
  expect(await world.read("acme", 0)).toBe("other");
  expect(world.asked.map(({ sent }) => sent)).toEqual([true, false, true]);
});

describe("a catalog that does not answer", () => {
  test("is read from what it last answered, and that is logged once", async () => {
    await world.write("before");
    world.mode = "fails";
    world.at += 2_000;
    expect(await world.read()).toBe("before");
    expect(await world.read("acme", 0)).toBe("before");
    expect(world.catalogs.peek("acme")?.config).toBe("before");
    world.at += 5 * MINUTE;
    expect(await world.read()).toBe("before");
    const failed = { level: "ERROR", message: expect.stringContaining("is unavailable"), tenant: "acme" };
    expect(world.lines).toEqual([failed]);
    world.mode = "answers";
    world.config.set("acme", "after");
    expect(await world.read("acme", 0)).toBe("after");
    const back = { level: "INFO", message: expect.stringContaining("is available again"), tenant: "acme" };
    expect(world.lines).toEqual([failed, back]);
    world.mode = "fails";
    expect(await world.read("acme", 0)).toBe("after");
    expect(world.lines).toEqual([failed, back, failed]);
  });

  test("is not asked more often than one that answers", async () => {
    await world.read();
    world.at += 2_000;
    world.mode = "fails";
    const first = world.catalogs.read("acme");
    world.at += 1_000;
    expect(world.catalogs.read("acme")).toBe(first);
    await first;
  });

  test("fails its readers where it never answered, where that is too long ago, and where another tenant's did", async () => {
    await world.write("before");
    world.mode = "fails";
    await expect(world.read("globex")).rejects.toThrow("the object broke");
    world.at += 15 * MINUTE - 1;
    expect(await world.read()).toBe("before");
    world.at += 2_000;
    await expect(world.read()).rejects.toThrow("the object broke");
    world.mode = "answers";
    expect(await world.read()).toBe("before");
  });

  test("fails every write, and what was read before stays", async () => {
    await world.write("before");
    world.mode = "fails";
    await expect(world.write("after")).rejects.toThrow("the object broke");
    expect(await world.read("acme", 0)).toBe("before");
  });

  test("is waited for a while only where there is something to go on with", async () => {
    vi.useFakeTimers();
    await world.write("before");
    world.mode = "hangs";
    const read = world.read("acme", 0);
    await vi.advanceTimersByTimeAsync(2_999);
    expect(world.lines).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(await read).toBe("before");
    let settled = false;
    void world.read("globex").finally(() => (settled = true));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(settled).toBe(false);
  });
});

describe("a catalog that hangs", () => {
  /** How long a read of a run waits, in ms. */
  async function waited(maxAgeMs?: number): Promise<number> {
    world.at += 2_000;
    const began = world.at;
    const ended: number[] = [];
    void world.catalogs.read("acme", maxAgeMs).then(() => ended.push(world.at));
    for (let ms = 0; ms <= 3_000 && ended.length === 0; ms += 100) await vi.advanceTimersByTimeAsync(100);
    return (ended[0] ?? Infinity) - began;
  }

  test("delays one run, then none, until it has answered a question that no run waits for", async () => {
    vi.useFakeTimers();
    await world.write("before");
    world.mode = "hangs";
    expect([await waited(), await waited(), await waited(), await waited()]).toEqual([3_000, 0, 0, 0]);
    world.mode = "answers";
    world.config.set("acme", "after");
    world.at += 5_000;
    expect(await world.read()).toBe("before");
    await vi.advanceTimersByTimeAsync(1);
    world.at += 2_000;
    expect(await world.read()).toBe("after");
    world.mode = "hangs";
    expect([await waited(), await waited()]).toEqual([3_000, 0]);
  });

  test("is waited for by callers who ask for what it has now; its answer to one of them is enough for all", async () => {
    vi.useFakeTimers();
    await world.write("before");
    world.mode = "hangs";
    expect([await waited(0), await waited(0), await waited(), await waited()]).toEqual([
      3_000, 3_000, 3_000, 0,
    ]);
    world.mode = "answers";
    world.config.set("acme", "after");
    expect(await world.read("acme", 0)).toBe("after");
    world.config.set("acme", "later");
    world.at += 2_000;
    expect(await world.read()).toBe("later");
  });
});

describe("a definition that does not travel with the snapshot", () => {
  test("is read by its name once, and kept through changes of others", async () => {
    const first = world.define("p", 1);
    expect(await world.pipeline("p")).toEqual(first);
    world.at += 2_000;
    expect(await world.pipeline("p")).toEqual(first);
    world.config.set("acme", "other");
    world.define("q", 1);
    expect(await world.pipeline("p", 0)).toEqual(first);
    expect(await world.read()).toBe("other");
    await world.write("another");
    expect(await world.pipeline("p")).toEqual(first);
    expect(world.read_by_name).toEqual(["p"]);
  });

  test("is read again in another version, and is gone once it is deleted", async () => {
    world.define("p", 1);
    await world.pipeline("p");
    const second = world.define("p", 2);
    expect((await world.pipeline("p"))?.version).toBe(1);
    expect(await world.pipeline("p", 0)).toEqual(second);
    world.large.delete("p");
    expect(await world.pipeline("p", 0)).toBeUndefined();
    world.define("p", 4);
    expect((await world.pipeline("p", 0))?.version).toBe(4);
    expect(world.read_by_name).toEqual(["p", "p", "p"]);
  });

  test("is the one that is there now, where it has changed since the snapshot was read", async () => {
    world.define("p", 1);
    await world.read();
    const second = world.define("p", 2);
    expect(await world.pipeline("p")).toEqual(second);
    world.large.clear();
    world.define("q", 1);
    await world.read("acme", 0);
    world.large.delete("q");
    expect(await world.pipeline("q")).toBeUndefined();
  });

  test("is used where the catalog fails, as what travels with the snapshot is", async () => {
    const first = world.define("p", 1);
    world.define("unread", 1);
    await world.pipeline("p");
    world.mode = "fails";
    world.at += 5 * MINUTE;
    expect(await world.pipeline("p")).toEqual(first);
    await expect(world.pipeline("unread")).rejects.toThrow("the object broke");
    expect(await world.pipeline("nowhere")).toBeUndefined();
  });

  test("is part of the list, without being kept for it", async () => {
    world.define("p", 1);
    world.define("q", 3);
    const all = await world.catalogs.readAll("acme");
    expect(Object.keys(all.pipelines)).toEqual(["p", "q"]);
    expect((await world.catalogs.read("acme")).pipelines).toEqual({});
  });

  test("counts towards what an isolate holds", async () => {
    await world.write("first", "other");
    world.define("p", 1, 9 * 1024 * 1024);
    await world.pipeline("p");
    world.mode = "fails";
    expect((await world.pipeline("p"))?.version).toBe(1);
    await expect(world.read("other", 0)).rejects.toThrow();
  });

  test("comes from an object of an earlier version with everything else", async () => {
    const pipeline = { name: "p", version: 2, stages: [] };
    const definitions = JSON.stringify({ pipelines: { p: pipeline }, agents: {}, config: {} });
    const catalogs = catalogsOver({
      catalog: () =>
        ({
          snapshot: async () => ({ definitions, revision: "1", health: { at: 0, agents: {} } }),
        }) as unknown as CatalogRpc,
      clock: world.clock,
      log: () => {},
    });
    expect((await catalogs.readFor("acme", "p")).pipelines["p"]).toEqual(pipeline);
    expect((await catalogs.readAll("acme")).versions).toEqual({ p: 2 });
  });
});

describe("an isolate", () => {
  const LARGE = "x".repeat(3 * 1024 * 1024);

  test("holds so many characters of definitions, those that were used last", async () => {
    for (const tenant of ["a", "b", "c"]) await world.write(LARGE, tenant);
    world.mode = "fails";
    await expect(world.read("a", 0)).rejects.toThrow();
    expect(await world.read("b", 0)).toBe(LARGE);
    expect(await world.read("c", 0)).toBe(LARGE);
  });

  test("holds the tenant that it serves, however large", async () => {
    const huge = "x".repeat(9 * 1024 * 1024);
    await world.read("small");
    await world.write(huge, "huge");
    world.mode = "fails";
    expect(await world.read("huge", 0)).toBe(huge);
    await expect(world.read("small", 0)).rejects.toThrow();
  });

  test("remembers a thousand tenants", async () => {
    for (let tenant = 0; tenant < 1_001; tenant += 1) await world.read(`t${tenant}`);
    world.mode = "fails";
    expect(await world.read("t1", 0)).toBe("first");
    await expect(world.read("t0", 0)).rejects.toThrow();
  });
});
