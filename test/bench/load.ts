// The load: callers on kept-alive loopback connections, each sending its next request when the last has ended.
import { Agent, request } from "node:http";

export interface Shot {
  url: string;
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  /** What the answer must hold. */
  expect?: string;
}

const agent = new Agent({ keepAlive: true, maxSockets: 64 });

export function closeConnections(): void {
  agent.destroy();
}

/** One request, read to its end. @param onText called with every piece of the answer as it comes */
export function shoot(
  { url, method = "POST", headers = {}, body = "" }: Shot,
  onText: (piece: string) => void = () => {},
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      { method, agent, headers: { "content-type": "application/json", ...headers } },
      (got) => {
        let text = "";
        got.setEncoding("utf8");
        got.on("data", (chunk: string) => {
          onText(chunk);
          text += chunk;
        });
        got.on("end", () => resolve({ status: got.statusCode ?? 0, text }));
        got.on("error", reject);
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}

/** One request that must succeed; its body. */
export async function send(url: string, body: unknown, method = "PUT"): Promise<string> {
  const { status, text } = await shoot({ url, method, body: JSON.stringify(body) });
  if (status >= 300) throw new Error(`${method} ${url}: ${status} ${text.slice(0, 300)}`);
  return text;
}

/** `count` shots by `callers` at once; the latencies in ms and the whole's duration. */
export async function fire(
  callers: number,
  count: number,
  shot: (caller: number) => Shot,
): Promise<{ latencies: number[]; elapsed_ms: number }> {
  const latencies: number[] = [];
  let left = count;
  const begin = performance.now();
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      while (left > 0) {
        left -= 1;
        const at = performance.now();
        const made = shot(caller);
        const { status, text } = await shoot(made);
        if (status !== 200 || !text.includes(made.expect ?? "")) {
          throw new Error(`${made.url}: ${status} ${text.slice(0, 300)}`);
        }
        latencies.push(performance.now() - at);
      }
    }),
  );
  return { latencies, elapsed_ms: performance.now() - begin };
}

/** The nearest rank: of two values the larger is the 95th percentile. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
