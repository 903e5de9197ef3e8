// The Durable Object that counts the calls of one caller. In memory: an object without calls is not evicted before
// its window has passed. A longer window is stored.
import { DurableObject } from "cloudflare:workers";
import type { RateLimitRpc } from "../adapters/durable/rate-limit-client.ts";
import type { Env } from "../settings.ts";
import {
  type RateLimit,
  type RateVerdict,
  storedCount,
  take,
  type WindowCount,
} from "../core/security/rate-limit.ts";

const COUNT = "count";
/** An object is evicted 70 s after its last call, at the earliest. */
const REMEMBERED_SECONDS = 60;

export class RateLimitObject extends DurableObject<Env> implements RateLimitRpc {
  private counted: WindowCount;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.counted = storedCount(ctx.storage.kv.get(COUNT));
  }

  async take(limit: RateLimit): Promise<RateVerdict> {
    const { counted, verdict } = take(this.counted, limit, Date.now());
    this.counted = counted;
    if (limit.seconds > REMEMBERED_SECONDS && verdict.allowed) this.ctx.storage.kv.put(COUNT, counted);
    return verdict;
  }
}
