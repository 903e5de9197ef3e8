// The golden logs of fixtures/logs: the records as storage holds them, and the events that they decode to.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { decodeRecords } from "../../../src/adapters/log/record.ts";
import type { LogEvent } from "../../../src/core/execution/log-event.ts";

const FOLDER = "fixtures/logs";

/** A file of a golden log, as text. */
export function readGolden(file: string): string {
  return readFileSync(`${FOLDER}/${file}`, "utf8");
}

const NAMES = readdirSync(FOLDER).flatMap((file) => /^(.*)\.records\.json$/.exec(file)?.slice(1) ?? []);

/** Logs of runs that have ended: each has its stream and its last view beside it. */
export const ENDED = NAMES.filter((name) => existsSync(`${FOLDER}/${name}.sse.txt`));

/** Logs of runs in mid-flight. */
export const IN_FLIGHT = NAMES.filter((name) => !ENDED.includes(name));

/** The stored entries of a golden log, by key. */
export function goldenRecords(name: string): (readonly [string, Uint8Array])[] {
  const records = JSON.parse(readGolden(`${name}.records.json`)) as { key: string; base64: string }[];
  return records.map(({ key, base64 }) => [key, new Uint8Array(Buffer.from(base64, "base64"))] as const);
}

export function goldenEvents(name: string): LogEvent[] {
  return [...decodeRecords(goldenRecords(name), 1)];
}
