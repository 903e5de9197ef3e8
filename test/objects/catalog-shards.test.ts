// A tenant's first number of shards: its index is asked, once.
import { expect, test } from "vitest";
import { CatalogShards } from "../../src/objects/catalog-shards.ts";

type Answer = boolean | Error;

function catalog(isUnused: (shard: number) => Answer, stored = new Map<string, unknown>()) {
  const asked: string[] = [];
  const kv = {
    get: (key: string) => stored.get(key),
    put: (key: string, value: unknown) => stored.set(key, value),
  } as unknown as SyncKvStorage;
  const ledger = {
    idFromName: (name: string) => name,
    get: (name: string) => ({
      isUnused: async () => {
        asked.push(name);
        const answer = isUnused(Number(name.split("/")[1]));
        if (answer instanceof Error) throw answer;
        return answer;
      },
    }),
  } as unknown as DurableObjectNamespace;
  return { shards: new CatalogShards(kv, ledger, "acme"), asked, stored };
}

const first = (shards: number) => {
  const generations = [{ generation: 1, shards, from: 0 }];
  return { index: generations, cache: generations };
};

test("a tenant of which nothing is stored has one, and is not asked again", async () => {
  const { shards, asked, stored } = catalog(() => true);
  await Promise.all([shards.settle(), shards.settle()]);
  expect(shards.known).toEqual(first(1));
  expect(asked).toEqual(Array.from({ length: 8 }, (_, at) => `acme/${at}`));
  const later = catalog(() => false, stored);
  await later.shards.settle();
  expect([later.shards.known, later.asked]).toEqual([first(1), []]);
});

test.each([
  ["has written to one of them", (shard: number): Answer => shard !== 5],
  [
    "may have: one does not answer",
    (shard: number): Answer => (shard === 3 ? new Error("overloaded") : true),
  ],
])("a tenant whose earlier version %s has eight", async (_, isUnused) => {
  const { shards, stored } = catalog(isUnused);
  await shards.settle();
  expect(shards.known).toEqual(first(8));
  expect(stored.get("shards")).toEqual(first(8));
});

test("a split of one kind leaves the other as it is, and is stored where it changes something", async () => {
  const { shards, stored } = catalog(() => true);
  await shards.settle();
  expect(shards.split("index", 1, 4, 1_000)).toBe(true);
  const split = structuredClone(stored.get("shards"));
  expect(split).toMatchObject({ index: [{ shards: 1 }, { shards: 4 }], cache: [{ shards: 1 }] });
  expect(shards.split("index", 1, 2, 9_000)).toBe(false);
  expect(stored.get("shards")).toEqual(split);
});
