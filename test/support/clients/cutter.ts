// A TCP proxy that cuts connections: after as many bytes of the answer as chance gives, it resets both sides. What
// stands between a reader and a coordinator on a bad day.
import { connect, createServer } from "node:net";
import type { Chance } from "../values/chance.ts";
import { onLoopback } from "../servers/loopback.ts";

const LF = 10;

export interface Cutter {
  url: string;
  /** How many connections were cut in the middle of an answer. */
  cuts(): number;
  /** Cuts nothing any more. */
  heal(): void;
  close(): Promise<void>;
}

/** A connection is cut after `from` to `from + upTo` bytes of an answer. */
export async function startCutter(
  target: string,
  chance: Chance,
  from: number,
  upTo: number,
): Promise<Cutter> {
  const { port } = new URL(target);
  let cuts = 0;
  let healed = false;
  const server = createServer((client) => {
    const upstream = connect(Number(port), "127.0.0.1");
    let left = 0;
    const drop = () => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      socket.on("error", drop);
      socket.on("close", drop);
    }
    client.on("data", (chunk) => {
      // A connection that is kept carries the next reader's request: what that one gets is counted from here.
      left = from + chance.below(upTo);
      upstream.write(chunk);
    });
    upstream.on("data", (chunk) => {
      if (healed || chunk.byteLength < left) {
        left -= chunk.byteLength;
        client.write(chunk);
        return;
      }
      // Never between an event's last two bytes: fetch-event-source takes an event for had once it has read the id.
      if (chunk[left - 1] === LF && chunk[left] === LF) left += 1;
      // Half an event, half a character: whatever stands there.
      client.write(chunk.subarray(0, left), () => {
        cuts += 1;
        client.resetAndDestroy();
        upstream.destroy();
      });
      upstream.removeAllListeners("data");
    });
  });
  const { url, close } = await onLoopback(server);
  return {
    url,
    cuts: () => cuts,
    heal: () => {
      healed = true;
    },
    close,
  };
}
