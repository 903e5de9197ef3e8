// A reader that opens a stream and then takes nothing: its socket fills, and whoever writes to it must wait. It can
// be told to read on.
import { connect } from "node:net";

export interface StalledReader {
  /** Reads everything that is left, until the connection ends; the answer's bytes as text. */
  drain(): Promise<string>;
  close(): void;
}

/** @param request the whole HTTP request, as text */
export async function stalledReader(url: string, request: string): Promise<StalledReader> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  socket.pause();
  socket.write(request);
  return {
    drain: async () => {
      const chunks: Buffer[] = [];
      // A connection that is reset has ended too.
      await new Promise<void>((resolve) => {
        socket.on("data", (chunk) => chunks.push(chunk));
        socket.once("error", () => resolve());
        socket.once("close", () => resolve());
        socket.resume();
      });
      return Buffer.concat(chunks).toString("utf8");
    },
    close: () => socket.destroy(),
  };
}

/** A GET of an execution's stream that the server closes behind. */
export function streamRequest(execution_id: string): string {
  return `GET /v1/executions/${execution_id}/events HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\nconnection: close\r\n\r\n`;
}
