// An agent that streams tokens at a steady rate, each with the moment it was sent as its text. In the benchmark's own
// process, so that its clock is the reader's, and its work is not counted as the Worker's.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { pause } from "../load.ts";

export interface TokenAgent {
  /** `127.0.0.1:port` */
  host: string;
  url: string;
  /** What the next streams are: so many tokens, so many a second. */
  speak(tokens: number, perSecond: number): void;
  close(): void;
}

export async function startTokenAgent(): Promise<TokenAgent> {
  let wanted = { tokens: 0, perSecond: 1 };
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { "content-type": "text/event-stream" });
    const { tokens, perSecond } = wanted;
    const tell = async () => {
      const began = performance.now();
      for (let sent = 0; sent < tokens; ) {
        // A timer is late by a millisecond or more: what is due by then goes out together, an event each.
        const due = Math.min(tokens, Math.floor(((performance.now() - began) * perSecond) / 1_000) + 1);
        for (; sent < due; sent += 1) response.write(`event: delta\ndata: {"text":"${stamp()} "}\n\n`);
        await pause(1);
      }
      response.end('event: result\ndata: {"data":{"answer":"said"}}\n\n');
    };
    void tell();
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    host,
    url: `http://${host}/tokens`,
    speak: (tokens, perSecond) => {
      wanted = { tokens, perSecond };
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

const STAMP = /t(\d+\.\d{3}) /g;

function stamp(): string {
  return `t${performance.now().toFixed(3)}`;
}

/** How old each token of a piece of a stream is, in ms. A token that is cut in two by the piece's end is left out. */
export function ages(piece: string): number[] {
  const now = performance.now();
  return Array.from(piece.matchAll(STAMP), ([, at]) => now - Number(at));
}
