// Redis over Upstash's REST protocol, with a guard around it (src/adapters/platform/guard.ts): no caller waits for it
// longer than REDIS_MS, and after failures no caller asks it. Recovery is probed in the background, outside any call.
// An outage is logged once.
import type { Redis } from "@upstash/redis/cloudflare";
import type { Clock } from "../../engine/ports.ts";
import { answerWithin, Guard, LOST } from "../platform/guard.ts";
import { systemClock } from "../platform/system.ts";

export { LOST, type Redis };

/** Maximum delay of a call by Redis, in ms. */
const REDIS_MS = 240;
/** Time limit for requests that no run waits for, in ms. */
export const BACKGROUND_MS = 2_000;

export class GuardedRedis {
  private readonly address: { url: string; token: string };
  private readonly clients = new Map<number, Promise<Redis>>();
  private readonly guard: Guard;
  /** What is lost without it, as the first caller that lost it says. */
  private lost = "";

  constructor(url: string, token: string, clock: Pick<Clock, "now">) {
    this.address = { url, token };
    this.guard = new Guard({
      // Its timers are real ones: the client's own time limit is real, too.
      clock: { ...systemClock, now: () => clock.now() },
      limit_ms: REDIS_MS,
      onChange: ({ isLost, cause }) => {
        if (isLost) log("ERROR", `Redis is unavailable; until it recovers: ${this.lost}`, cause);
        else log("INFO", "Redis is available again", null);
      },
    });
  }

  /**
   * The task's value, or LOST. Never rejects.
   * @param what is lost without it, for the log
   * @param later keeps the caller's context alive for work that continues after the response
   */
  async ask<T>(
    what: string,
    task: (redis: Redis) => Promise<T>,
    later?: (work: Promise<void>) => void,
  ): Promise<T | typeof LOST> {
    this.lost = what;
    return this.guard.ask(async () => task(await this.open()), this.ping, later);
  }

  /**
   * The same for a task that no run waits for: many at once may take their time, and a failure of theirs does not keep
   * others from asking.
   */
  async askInBackground<T>(what: string, task: (redis: Redis) => Promise<T>): Promise<T | typeof LOST> {
    if (this.guard.isClosed) return LOST;
    const answer = await answerWithin(systemClock, BACKGROUND_MS, async () =>
      task(await this.open(BACKGROUND_MS)),
    );
    if ("value" in answer) return answer.value;
    log("ERROR", `Redis request failed: ${what}`, answer.cause);
    return LOST;
  }

  private readonly ping = async (): Promise<void> => {
    const redis = await this.open();
    if ((await redis.ping()) !== "PONG") throw new Error("no PONG");
  };

  private open(timeout_ms = REDIS_MS): Promise<Redis> {
    const { url, token } = this.address;
    let client = this.clients.get(timeout_ms);
    if (client === undefined) {
      client = import("./client.ts").then(({ redisClient }) => redisClient(url, token, timeout_ms));
      this.clients.set(timeout_ms, client);
    }
    return client;
  }
}

/** Only the kind of fault: its text may hold a command, and so a stage's data. */
function log(level: "ERROR" | "INFO", message: string, cause: unknown): void {
  const fault = cause instanceof Error ? { cause: cause.name } : {};
  (level === "ERROR" ? console.error : console.log)(JSON.stringify({ level, message, ...fault }));
}
