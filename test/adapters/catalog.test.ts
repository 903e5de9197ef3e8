// The Worker's client of a tenant's catalog: what it asks for again, what it goes on with where the catalog does not
// answer and for how long, and how much of it an isolate holds.
import type { CatalogRpc, CatalogText } from "../../src/engine/worker-ports.ts";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { catalogsOver } from "../../src/adapters/durable/catalog-client.ts";

const MINUTE = 60_000;

/** Catalogs of many tenants in memory, which can be made to fail. */
class World {
  at = Date.UTC(2026, 10, 26);
  mode: "answers" | "fails" | "hangs" = "answers";
  /** What `config.size` of each tenant is: the number of its writes, unless it is set. */
  readonly config = new Map<string, unknown>();
  readonly asked: { tenant: string; revision: string | null; sent: boolean }[] = [];
  readonly lines: { level: string; message: unknown; tenant: unknown }[] = [];
  readonly catalogs = catalogsOver({
    catalog: (tenant) => this.rpc(tenant),
    now: () => this.at,
    log: (level, { message, tenant }) => this.lines.push({ level, message, tenant }),
  });

  text(tenant: string): CatalogText {
    const config = this.config.get(tenant) ?? "first";
    const definitions = JSON.stringify({ pipelines: {}, agents: {}, config });
    return { definitions, revision: JSON.stringify(config), health: { at: this.at, agents: {} } };
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
    return { snapshot } as unknown as CatalogRpc;
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
