// The only file that imports Upstash's client. It is loaded on the first use of Redis: a coordinator without Redis
// never evaluates those 80 kB.
import { Redis } from "@upstash/redis/cloudflare";

/** @param timeout_ms after which a request is abandoned */
export function redisClient(url: string, token: string, timeout_ms: number): Redis {
  return new Redis({
    url,
    token,
    retry: false,
    automaticDeserialization: false,
    enableTelemetry: false,
    // Each request has its own: the client takes one signal for all of them as an answer.
    signal: () => AbortSignal.timeout(timeout_ms),
  });
}
