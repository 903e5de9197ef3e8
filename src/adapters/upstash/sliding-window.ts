// The only file that imports Upstash's rate limit, loaded at the first call that is counted in Redis. By the
// package's module and not by its name, which leads to a CommonJS file that cannot be pruned.
import { Ratelimit } from "@upstash/ratelimit/dist/index.mjs";
import type { Redis } from "@upstash/redis/cloudflare";
import type { RateLimit } from "../../core/security/rate-limit.ts";

export function slidingWindow(redis: Redis, limit: RateLimit): Ratelimit {
  return new Ratelimit({
    redis,
    limiter: Ratelimit.slidingWindow(limit.requests, `${limit.seconds} s`),
    prefix: "agent-coordinator:rate",
    analytics: false,
    ephemeralCache: false,
    timeout: 0,
  });
}
