// The rate limit in Redis, one count for all regions, as @upstash/ratelimit counts it. That lets calls through on its
// own timeout and throws if Redis refuses: this adapter does neither. If Redis is unavailable, the isolate counts.
import type { RateLimiter } from "../../engine/worker-ports.ts";
import type { RateLimit, RateVerdict } from "../../core/security/rate-limit.ts";
import type { Clock } from "../../engine/ports.ts";
import { LocalLimiter } from "../durable/rate-limit-client.ts";
import { type GuardedRedis, LOST, type Redis } from "./redis.ts";

export class UpstashLimiter implements RateLimiter {
  readonly limit: RateLimit;
  private window: Promise<Window> | null = null;
  private readonly redis: GuardedRedis;
  private readonly local: LocalLimiter;

  constructor(redis: GuardedRedis, limit: RateLimit, clock: Pick<Clock, "now">) {
    this.limit = limit;
    this.redis = redis;
    this.local = new LocalLimiter(limit, clock);
  }

  async take(caller: string, later: (work: Promise<void>) => void): Promise<RateVerdict> {
    const lost = "each instance counts calls separately";
    const answer = await this.redis.ask(
      lost,
      async (redis) => (await this.windowIn(redis)).limit(caller),
      later,
    );
    if (answer === LOST || !Number.isFinite(answer.remaining)) return this.local.take(caller);
    // At the very end of its fixed window what came in it still counts in full.
    return { allowed: answer.success, remaining: Math.max(0, answer.remaining), reset_at: answer.reset + 1 };
  }

  private windowIn(redis: Redis): Promise<Window> {
    this.window ??= import("./sliding-window.ts").then(({ slidingWindow }) =>
      slidingWindow(redis, this.limit),
    );
    return this.window;
  }
}

type Window = ReturnType<typeof import("./sliding-window.ts").slidingWindow>;
