// A server that takes what the coordinator sends outbound, webhooks and traces, keeps it byte for byte, and answers
// what a test says.
import { createServer } from "node:http";
import { onLoopback } from "./loopback.ts";

export interface Received {
  path: string;
  headers: Record<string, string>;
  text: string;
  at: number;
  /** What it was answered. */
  status: number;
}

export interface Receiver {
  url: string;
  received: Received[];
  on(path: string): Received[];
  /** The statuses of the next answers; 204 when they are used up. */
  answerWith(...statuses: number[]): void;
  /** Judges each request that has no status of those; undefined is 204. */
  judge: (received: Omit<Received, "status">) => number | undefined;
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
      const got = { path: request.url ?? "", headers, text, at: Date.now() };
      const status = statuses.shift() ?? receiver.judge(got) ?? 204;
      received.push({ ...got, status });
      response.writeHead(status).end();
    });
  });
  const { url, close } = await onLoopback(server);
  const receiver: Receiver = {
    url,
    received,
    judge: () => undefined,
    on: (path) => received.filter((got) => got.path === path),
    answerWith: (...next) => {
      statuses.push(...next);
    },
    close,
  };
  return receiver;
}
