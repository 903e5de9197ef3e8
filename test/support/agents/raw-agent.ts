// Agents over bare sockets: what they send is bytes, so that they can break any rule of HTTP.
import { createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { onLoopback } from "../servers/loopback.ts";

/** What a path does with a call whose request has been read; `count` is 1 for the path's first. */
export type RawBehaviour = (socket: Socket, count: number) => void | Promise<void>;

export interface RawAgents {
  host: string;
  url(path: string): string;
  on(path: string, behaviour: RawBehaviour): void;
  /** The calls of a path so far. */
  countOf(path: string): number;
  /** The request line and the headers of a path's last call. */
  requestHead(path: string): string;
  /** The bytes of a path's last call, head and body, as Latin-1. */
  request(path: string): string;
  close(): Promise<void>;
}

export async function startRawAgents(): Promise<RawAgents> {
  const behaviours = new Map<string, RawBehaviour>();
  const counts = new Map<string, number>();
  const requests = new Map<string, string>();
  const server = createServer((socket) => {
    // A caller that hangs up on a misbehaving agent is no fault here.
    socket.on("error", () => {});
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      const head = text.indexOf("\r\n\r\n");
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
      if (head < 0 || text.length < head + 4 + length) return;
      const path = text.split(" ", 2)[1] ?? "/";
      requests.set(path, text.slice(0, head + 4 + length));
      text = "";
      const count = (counts.get(path) ?? 0) + 1;
      counts.set(path, count);
      void behaviours.get(path)?.(socket, count);
    });
  });
  const { host, url, close } = await onLoopback(server);
  return {
    host,
    url: (path) => `${url}${path}`,
    on: (path, behaviour) => behaviours.set(path, behaviour),
    countOf: (path) => counts.get(path) ?? 0,
    requestHead: (path) => (requests.get(path) ?? "").split("\r\n\r\n", 1)[0] ?? "",
    request: (path) => requests.get(path) ?? "",
    close,
  };
}

/** A whole response with these headers and this body; the connection is closed behind it. */
export function responds(
  status: string,
  headers: Record<string, string>,
  body: string | Uint8Array = "",
): RawBehaviour {
  return (socket) => {
    const given = { "content-length": String(Buffer.byteLength(body)), ...headers };
    socket.write(headOf(status, given));
    socket.end(body);
  };
}

/** The head of a response, and nothing behind it. */
export function headOf(status: string, headers: Record<string, string>): string {
  const lines = Object.entries({ ...headers, connection: "close" }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  return `HTTP/1.1 ${status}\r\n${lines.join("")}\r\n`;
}

/** Writes pieces for ever, `gapMs` apart, until the other side hangs up. */
export function writesForEver(head: string, piece: string | Uint8Array, gapMs: number): RawBehaviour {
  return async (socket) => {
    socket.write(head);
    while (!socket.destroyed) {
      if (!socket.write(piece)) {
        await Promise.race([
          new Promise((resolve) => {
            socket.once("drain", resolve);
          }),
          new Promise((resolve) => {
            socket.once("close", resolve);
          }),
        ]);
      }
      if (gapMs > 0) await sleep(gapMs);
    }
  };
}
