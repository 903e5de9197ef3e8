// The rows of a cache object over SQLite in memory: one row for what a run has made, found by its question, and tables
// that are dropped as a whole.
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { placeOf } from "../../../src/core/caching/run-question.ts";
import { TIMINGS } from "../../../src/core/timings.ts";
import { ResultRows } from "../../../src/objects/result-cache/result-rows.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const NOW = 1_000_000_000;
const CHARS = 1_000;
const PLACE = placeOf("a question", "[]", "[{},{}]");
const BESIDE = placeOf("a question", "[]", '[{},{"a":1}]');
const HISTORY = placeOf("a question", "[1]", "[{},{}]");

let database: DatabaseSync;
let kv: Map<string, unknown>;
let databaseSize: number;

beforeEach(() => {
  database = new DatabaseSync(":memory:");
  kv = new Map();
  databaseSize = 0;
});

afterEach(() => database.close());

function open(): ResultRows {
  const sql = {
    exec: (query: string, ...values: SQLInputValue[]) => {
      const rows = database.prepare(query).all(...values);
      return Object.assign(rows, { toArray: () => rows });
    },
    get databaseSize() {
      return databaseSize;
    },
  };
  return new ResultRows({
    sql,
    kv: { get: (key: string) => kv.get(key), put: (key: string, value: unknown) => kv.set(key, value) },
    transactionSync: (task: () => void) => task(),
  } as unknown as DurableObjectStorage);
}

const result = (exact: string, entry = `entry of ${exact}`, family = "family") => ({ exact, family, entry });
const tables = () =>
  database
    .prepare("SELECT name FROM sqlite_master WHERE type = 'table'")
    .all()
    .map(({ name }) => String(name));
const rowCount = () =>
  tables().reduce(
    (sum, name) => sum + Number(database.prepare(`SELECT count(*) AS n FROM ${name}`).get()?.["n"]),
    0,
  );

describe("what a run has made", () => {
  test("is one row, and each of its results is found", () => {
    const rows = open();
    rows.write(PLACE, "one", NOW, [result("a"), result("b", ""), result("c", "漢字")]);
    expect(rowCount()).toBe(1);
    for (const of of [rows, open()]) {
      expect(of.kept(PLACE, 0, CHARS).kept).toEqual([
        ["a", "entry of a"],
        ["b", ""],
        ["c", "漢字"],
      ]);
      expect(of.find(PLACE, "c", 0)).toBe("漢字");
      expect(of.find(PLACE, "d", 0)).toBeNull();
    }
  });

  test("takes as many rows as it needs where it is large", () => {
    const rows = open();
    const large = "x".repeat(300_000);
    rows.write(PLACE, "one", NOW, [result("a", large), result("b", large), result("c", large)]);
    expect(rowCount()).toBe(3);
    expect(rows.find(PLACE, "c", 0)).toBe(large);
  });

  test("is brought as far as it fits, the last first, and the rest is named", () => {
    const rows = open();
    rows.write(PLACE, "one", NOW, [result("a"), result("b")]);
    rows.write(PLACE, "two", NOW, [result("b", "newer"), result("c", "x".repeat(CHARS))]);
    rows.write(PLACE, "three", NOW, [result("d", "last")]);
    expect(rows.kept(PLACE, 0, CHARS).kept).toEqual([
      ["d", "last"],
      ["b", null],
      ["c", null],
      ["a", "entry of a"],
    ]);
    expect(rows.find(PLACE, "b", 0)).toBe("newer");
  });

  test("is found by a run with another input, and by none with another question or history", () => {
    const rows = open();
    rows.write(PLACE, "one", NOW, [result("a")]);
    expect(rows.kept(BESIDE, 0, CHARS)).toEqual({ kept: [["a", "entry of a"]], isOfStart: false });
    expect(rows.kept(PLACE, 0, CHARS).isOfStart).toBe(true);
    expect(rows.find(BESIDE, "a", 0)).toBe("entry of a");
    expect(rows.kept(HISTORY, 0, CHARS).kept).toEqual([]);
    expect(rows.kept(placeOf("another", "[]", "[{},{}]"), 0, CHARS).kept).toEqual([]);
    // A run's own start comes first.
    rows.write(BESIDE, "two", NOW, [result("a", "beside")]);
    expect([rows.find(PLACE, "a", 0), rows.find(BESIDE, "a", 0)]).toEqual(["entry of a", "beside"]);
  });

  test("is not brought where it is too old to be of use", () => {
    const rows = open();
    rows.write(PLACE, "one", NOW, [result("a")]);
    expect([rows.kept(PLACE, NOW - 1, CHARS).kept.length, rows.kept(PLACE, NOW, CHARS).kept.length]).toEqual([
      1, 0,
    ]);
    expect(rows.find(PLACE, "a", NOW)).toBeNull();
  });

  test("goes with it in every table, and nothing else does", () => {
    const rows = open();
    rows.write(PLACE, "one", NOW, [result("a")]);
    rows.write(PLACE, "two", NOW, [result("b")]);
    rows.write(HISTORY, "one", NOW + 4 * HOUR_MS, [result("c")]);
    rows.forget(placeOf("a question", "", ""), "one", []);
    expect(rowCount()).toBe(1);
    expect(rows.find(PLACE, "b", 0)).toBe("entry of b");
  });

  test("never makes a place overflow into the next one: the last row there is replaced", () => {
    const rows = open();
    for (let at = 0; at < 300; at += 1) rows.write(PLACE, `run ${at}`, NOW, [result(`r${at}`)]);
    expect(rowCount()).toBe(256);
    expect(rows.find(PLACE, "r299", 0)).toBe("entry of r299");
  });
});

test("a family's last result is found with any input and history, in any table", () => {
  const rows = open();
  rows.write(PLACE, "one", NOW, [result("a"), result("x", "no", "other")]);
  expect(rows.last(PLACE, "family")).toBe("entry of a");
  rows.write(HISTORY, "two", NOW + 1, [result("b")]);
  rows.write(BESIDE, "three", NOW + 2, [result("c")]);
  expect(rows.last(PLACE, "family")).toBe("entry of c");
  rows.write(HISTORY, "four", NOW + 4 * HOUR_MS, [result("d")]);
  expect([rows.last(PLACE, "family"), rows.last(PLACE, "none")]).toEqual(["entry of d", null]);
  expect(rows.last(placeOf("another", "", ""), "family")).toBeNull();
});

describe("a table", () => {
  test("takes three hours, and is dropped when its last row has been kept for a day", () => {
    const rows = open();
    expect(rows.write(PLACE, "one", NOW, [result("a")])).toBe(NOW + DAY_MS + 3 * HOUR_MS);
    expect(rows.write(PLACE, "two", NOW + 3 * HOUR_MS - 1, [result("b")])).toBeNull();
    expect(tables()).toHaveLength(1);
    expect(rows.write(PLACE, "three", NOW + 3 * HOUR_MS, [result("c")])).toBeNull();
    expect(tables()).toHaveLength(2);
    expect(rows.sweep(NOW + DAY_MS + 3 * HOUR_MS - 1)).toBe(NOW + DAY_MS + 3 * HOUR_MS);
    expect(tables()).toHaveLength(2);
    expect(rows.sweep(NOW + DAY_MS + 3 * HOUR_MS)).toBe(NOW + DAY_MS + 6 * HOUR_MS);
    expect(tables()).toHaveLength(1);
    expect(open().sweep(NOW + DAY_MS + 6 * HOUR_MS)).toBeNull();
    expect(tables()).toEqual([]);
  });

  test("is full at a size", () => {
    const rows = open();
    const entry = "x".repeat(TIMINGS.CACHE_TABLE_CHARS / 2);
    for (const exact of ["a", "b", "c"]) rows.write(PLACE, "run", NOW, [result(exact, entry)]);
    expect(tables()).toHaveLength(2);
    expect(rows.find(PLACE, "a", 0)).toBe(entry);
  });

  test("is dropped early, the oldest first, where the shard holds too much; the one that is written stays", () => {
    const rows = open();
    rows.write(PLACE, "one", NOW, [result("a")]);
    rows.write(PLACE, "two", NOW + 4 * HOUR_MS, [result("b")]);
    databaseSize = TIMINGS.CACHE_SHARD_BYTES + 1;
    rows.write(PLACE, "three", NOW + 8 * HOUR_MS, [result("c")]);
    expect(tables()).toHaveLength(1);
    expect([rows.find(PLACE, "b", 0), rows.find(PLACE, "c", 0)]).toEqual([null, "entry of c"]);
    rows.write(PLACE, "four", NOW + 8 * HOUR_MS, [result("d")]);
    expect(tables()).toHaveLength(1);
  });

  test("of a clock that was set back is the last one all the same", () => {
    open().write(PLACE, "one", NOW, [result("a")]);
    const rows = open();
    rows.write(PLACE, "two", NOW - HOUR_MS, [result("b")]);
    expect(tables()).toHaveLength(1);
  });
});
