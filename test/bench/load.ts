// The load: callers on kept-alive loopback connections, each sending its next request when the last has ended.
import { Agent, request } from "node:http";

export interface Shot {
  url: string;
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

const agent = new Agent({ keepAlive: true, maxSockets: 64 });

export function closeConnections(): void {
  agent.destroy();
}

/** One request, read to its end. */
export function shoot({
  url,
  method = "POST",
  headers = {},
  body = "",
}: Shot): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      { method, agent, headers: { "content-type": "application/json", ...headers } },
      (got) => {
        let text = "";
        got.setEncoding("utf8");
        got.on("data", (chunk: string) => {
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

/** `count` shots by `callers` at once; the latencies in ms and the whole's duration. */
export async function fire(
  callers: number,
  count: number,
  shot: () => Shot,
): Promise<{ latencies: number[]; elapsed_ms: number }> {
  const latencies: number[] = [];
  let left = count;
  const begin = performance.now();
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (left > 0) {
        left -= 1;
        const at = performance.now();
        const { status, text } = await shoot(shot());
        if (status !== 200) throw new Error(`${status} ${text.slice(0, 300)}`);
        latencies.push(performance.now() - at);
      }
    }),
  );
  return { latencies, elapsed_ms: performance.now() - begin };
}

export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}
