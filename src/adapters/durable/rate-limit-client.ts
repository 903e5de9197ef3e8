// The rate limit without Redis: one counting object per caller. If it does not respond, the isolate counts
// for itself, as it does if Redis is unavailable.
import type { RateLimiter } from "../../engine/worker-ports.ts";
import {
  NOTHING_COUNTED,
  type RateLimit,
  type RateVerdict,
  take,
  type WindowCount,
} from "../../core/security/rate-limit.ts";
import type { Clock } from "../../engine/ports.ts";
import { Lru } from "../platform/lru.ts";
import { SHARED_MS, within } from "../platform/time-limit.ts";

/** The object that counts one caller's calls. */
export interface RateLimitRpc {
  take(limit: RateLimit): Promise<RateVerdict>;
}

/** Maximum number of callers that an isolate counts; the least recent is evicted first. */
const CALLERS = 10_000;

/** Counts what this isolate sees. */
export class LocalLimiter implements RateLimiter {
  readonly limit: RateLimit;
  private readonly clock: Pick<Clock, "now">;
  private readonly callers = new Lru<string, WindowCount>({ entries: CALLERS });

  constructor(limit: RateLimit, clock: Pick<Clock, "now">) {
    this.limit = limit;
    this.clock = clock;
  }

  async take(caller: string): Promise<RateVerdict> {
    const before = this.callers.peek(caller) ?? NOTHING_COUNTED;
    const { counted, verdict } = take(before, this.limit, this.clock.now());
    this.callers.set(caller, counted);
    return verdict;
  }
}

export class EmbeddedLimiter implements RateLimiter {
  readonly limit: RateLimit;
  private readonly namespace: DurableObjectNamespace;
  private readonly local: LocalLimiter;

  constructor(namespace: DurableObjectNamespace, limit: RateLimit, clock: Pick<Clock, "now">) {
    this.namespace = namespace;
    this.limit = limit;
    this.local = new LocalLimiter(limit, clock);
  }

  async take(caller: string): Promise<RateVerdict> {
    const object = this.namespace.get(this.namespace.idFromName(caller)) as unknown as RateLimitRpc;
    const verdict = await within(SHARED_MS, object.take(this.limit), null);
    return verdict ?? this.local.take(caller);
  }
}
