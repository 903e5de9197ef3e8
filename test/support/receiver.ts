// A server that takes what the coordinator sends outward, webhooks and traces, keeps it byte for byte, and answers
// what a test says.
import { createServer } from "node:http";
import { onLoopback } from "./loopback.ts";

export interface Received {
  path: string;
  headers: Record<string, string>;
  text: string;
  at: number;
}

export interface Receiver {
  url: string;
  received: Received[];
  on(path: string): Received[];
  /** The statuses of the next answers; 204 when they are used up. */
  answerWith(...statuses: number[]): void;
  close(): Promise<void>;
}

export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  const statuses: number[] = [];
  const server = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8");
    request.on("data", (chunk: string) => {
      text += chunk;
    });
    request.on("end", () => {
      const headers = Object.fromEntries(
        Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
      );
      received.push({ path: request.url ?? "", headers, text, at: Date.now() });
      response.writeHead(statuses.shift() ?? 204).end();
    });
  });
  const { url, close } = await onLoopback(server);
  return {
    url,
    received,
    on: (path) => received.filter((got) => got.path === path),
    answerWith: (...next) => {
      statuses.push(...next);
    },
    close,
  };
}
