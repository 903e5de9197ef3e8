// The real clock and random numbers.
import { hexOf } from "../../core/bytes.ts";
import type { LogLevel } from "../../core/monitoring/log-line.ts";
import type { Clock } from "../../engine/ports.ts";

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, task) {
    const timer = setTimeout(task, ms);
    return () => clearTimeout(timer);
  },
};

/** A line of the operator's log, on the platform's own level. */
export function writeLog(level: LogLevel, line: string): void {
  const write = { DEBUG: console.debug, INFO: console.log, WARN: console.warn, ERROR: console.error }[level];
  write(line);
}

export const systemChance = (): number => Math.random();

/** An id of 128 random bits, as src/contract/README.md section 2 asks of every execution id. */
export function randomExecutionId(): string {
  return ["ex", hexOf(crypto.getRandomValues(new Uint8Array(16)))].join("_");
}

const encoder = new TextEncoder();

/** SHA-256 of a text's UTF-8 bytes, in hex. */
export async function sha256Hex(text: string): Promise<string> {
  return hexOf(new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(text))));
}
