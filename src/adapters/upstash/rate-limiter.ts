// The rate limit in Redis, one count for all regions, as @upstash/ratelimit counts it. That lets calls through on its
// own timeout and throws where Redis refuses: here neither happens. Where Redis is lost, the isolate counts.
import { Ratelimit } from "@upstash/ratelimit";
import type { RateLimit, RateVerdict } from "../../core/resilience/sliding-window.ts";
import type { Clock } from "../../engine/ports.ts";
import { LocalLimiter, type RateLimiter } from "../embedded/rate-limiter.ts";
import { type GuardedRedis, LOST } from "./redis.ts";

export class UpstashLimiter implements RateLimiter {
  readonly limit: RateLimit;
  private readonly redis: GuardedRedis;
  private readonly global: Ratelimit;
  private readonly local: LocalLimiter;

  constructor(redis: GuardedRedis, limit: RateLimit, clock: Pick<Clock, "now">) {
    this.limit = limit;
    this.redis = redis;
    this.local = new LocalLimiter(limit, clock);
    this.global = new Ratelimit({
      redis: redis.client,
      limiter: Ratelimit.slidingWindow(limit.requests, `${limit.seconds} s`),
      prefix: "agent-coordinator:rate",
      analytics: false,
      ephemeralCache: false,
      timeout: 0,
    });
  }

  async take(caller: string, later: (work: Promise<void>) => void): Promise<RateVerdict> {
    const lost = "calls are counted by each instance alone";
    const answer = await this.redis.ask(lost, () => this.global.limit(caller), later);
    if (answer === LOST || !Number.isFinite(answer.remaining)) return this.local.take(caller);
    return { allowed: answer.success, remaining: Math.max(0, answer.remaining), reset_at: answer.reset };
  }
}
