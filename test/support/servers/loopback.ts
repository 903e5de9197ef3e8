// A server of a test's own on the loopback, at a port that was free, which closes with everybody who is connected.
import type { AddressInfo, Server, Socket } from "node:net";

export interface Loopback {
  /** `127.0.0.1:port` */
  host: string;
  /** Without a slash at its end. */
  url: string;
  /** Breaks every connection that there is; the port stays open. */
  drop: () => void;
  close: () => Promise<void>;
}

/** @param server one of node:net or node:http that does not listen yet */
export async function onLoopback(server: Server): Promise<Loopback> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const drop = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    host,
    url: `http://${host}`,
    drop,
    close: () =>
      new Promise((resolve) => {
        drop();
        server.close(() => resolve());
      }),
  };
}
