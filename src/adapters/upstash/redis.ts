// Redis over Upstash's REST protocol, with a circuit breaker around it: no caller waits for it longer than REDIS_MS,
// and after failures no caller asks it. Recovery is probed in the background, outside any call. An outage is logged
// once.
import type { Redis } from "@upstash/redis/cloudflare";
import type { Clock } from "../../engine/ports.ts";
import { withTimeLimit } from "../../engine/time-limit.ts";
import { systemClock } from "../platform/system.ts";

export type { Redis };

/** Maximum delay of a call by Redis, in ms. */
const REDIS_MS = 240;
/** Time limit for requests that no run waits for, in ms. */
const BACKGROUND_MS = 2_000;
/** Failures in a row after which it is not asked; a single slow one has the same effect. */
const FAILURES = 3;
/** How often it is asked whether it is back, in ms. */
const RETRY_MS = 5_000;

/** No valid answer: Redis is unreachable, slow, or its response is malformed. */
export const LOST = Symbol("lost");

export class GuardedRedis {
  private readonly address: { url: string; token: string };
  private readonly clients = new Map<number, Promise<Redis>>();
  private readonly clock: Pick<Clock, "now">;
  private failures = 0;
  private closedUntil = 0;
  private isOutageLogged = false;

  constructor(url: string, token: string, clock: Pick<Clock, "now">) {
    this.clock = clock;
    this.address = { url, token };
  }

  /**
   * The task's value, or LOST. Never rejects.
   * @param what is lost without it, for the log
   * @param later keeps the caller's context alive for work that continues after the response
   */
  async ask<T>(
    what: string,
    task: (redis: Redis) => Promise<T>,
    later: (work: Promise<void>) => void = () => {},
  ): Promise<T | typeof LOST> {
    if (this.failures >= FAILURES) {
      if (this.clock.now() >= this.closedUntil) later(this.probe());
      return LOST;
    }
    const began = this.clock.now();
    const answer = await timed(this.open().then(task));
    if ("value" in answer) {
      this.failures = 0;
      return answer.value;
    }
    // One timed-out call opens the breaker at once, so that the next call does not wait.
    const waited = this.clock.now() - began >= REDIS_MS / 2;
    this.failures = waited ? FAILURES : this.failures + 1;
    this.closedUntil = this.clock.now() + RETRY_MS;
    if (!this.isOutageLogged) {
      this.isOutageLogged = true;
      log("ERROR", `Redis is unavailable; until it recovers: ${what}`, answer.cause);
    }
    return LOST;
  }

  /**
   * The same for a task that no run waits for: many at once may take their time, and a failure of theirs does not keep
   * others from asking.
   */
  async askInBackground<T>(what: string, task: (redis: Redis) => Promise<T>): Promise<T | typeof LOST> {
    if (this.failures >= FAILURES) return LOST;
    const answer = await timed(this.open(BACKGROUND_MS).then(task), BACKGROUND_MS);
    if ("value" in answer) return answer.value;
    log("ERROR", `Redis request failed: ${what}`, answer.cause);
    return LOST;
  }

  private open(timeout_ms = REDIS_MS): Promise<Redis> {
    const { url, token } = this.address;
    let client = this.clients.get(timeout_ms);
    if (client === undefined) {
      client = import("./client.ts").then(({ redisClient }) => redisClient(url, token, timeout_ms));
      this.clients.set(timeout_ms, client);
    }
    return client;
  }

  private async probe(): Promise<void> {
    this.closedUntil = this.clock.now() + RETRY_MS;
    const answer = await timed(this.open().then((redis) => redis.ping()));
    if (!("value" in answer) || answer.value !== "PONG") return;
    this.failures = 0;
    if (this.isOutageLogged) log("INFO", "Redis is available again", null);
    this.isOutageLogged = false;
  }
}

type Answer<T> = { value: T } | { cause: unknown };

function timed<T>(task: Promise<T>, ms = REDIS_MS): Promise<Answer<T>> {
  const answer = task.then(
    (value): Answer<T> => ({ value }),
    (cause: unknown): Answer<T> => ({ cause }),
  );
  return withTimeLimit(systemClock, ms, answer, () => ({ cause: new Error("timeout") }));
}

/** Only the kind of fault: its text may hold a command, and so a stage's data. */
function log(level: "ERROR" | "INFO", message: string, cause: unknown): void {
  const fault = cause instanceof Error ? { cause: cause.name } : {};
  (level === "ERROR" ? console.error : console.log)(JSON.stringify({ level, message, ...fault }));
}
