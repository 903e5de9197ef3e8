// A real HTTP server that plays agents: each path has a behaviour, which may answer, stream, stall, lie or break the
// connection. Remembers every call it got.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AgentCall } from "../../../src/contract/agent.ts";
import { onLoopback } from "../servers/loopback.ts";

export interface SeenCall {
  method: string;
  path: string;
  headers: IncomingMessage["headers"];
  body: AgentCall;
  /** The body as it came. */
  text: string;
  at: number;
  /** True once the caller has closed the connection before the answer was complete. */
  aborted: boolean;
}

export type Behaviour = (
  call: SeenCall,
  response: ServerResponse,
  /** How many calls this path has had, this one included. */
  count: number,
) => void | Promise<void>;

export interface AgentServer {
  /** `127.0.0.1:port` */
  host: string;
  url(path: string): string;
  on(path: string, behaviour: Behaviour): void;
  calls: SeenCall[];
  callsOf(path: string): SeenCall[];
  close(): Promise<void>;
}

export async function startAgentServer(): Promise<AgentServer> {
  const behaviours = new Map<string, Behaviour>();
  const calls: SeenCall[] = [];
  const server = createServer((request, response) => {
    void serve(request, response);
  });
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url ?? "/";
    let text = "";
    try {
      for await (const chunk of request) text += String(chunk);
    } catch {
      // A caller that died in the middle of its request has made no call.
      return;
    }
    const call: SeenCall = {
      method: request.method ?? "",
      path,
      headers: request.headers,
      // What cancels an agent's work has none.
      body: JSON.parse(text || "null") as AgentCall,
      text,
      at: Date.now(),
      aborted: false,
    };
    calls.push(call);
    response.on("close", () => {
      if (!response.writableFinished) call.aborted = true;
    });
    const behaviour = behaviours.get(path);
    if (behaviour === undefined) response.writeHead(404).end();
    else await behaviour(call, response, calls.filter((seen) => seen.path === path).length);
  };
  const { host, url, close } = await onLoopback(server);
  return {
    host,
    url: (path) => `${url}${path}`,
    on: (path, behaviour) => behaviours.set(path, behaviour),
    calls,
    callsOf: (path) => calls.filter((call) => call.path === path),
    close,
  };
}

/** Answers with this data at once. */
export function answers(data: Record<string, unknown>, extra: Record<string, unknown> = {}): Behaviour {
  return (_call, response) => {
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ data, ...extra }));
  };
}

/** Answers with a status and problem details. */
export function failsWith(
  status: number,
  problem: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Behaviour {
  return (_call, response) => {
    response
      .writeHead(status, { "content-type": "application/problem+json", ...headers })
      .end(JSON.stringify({ status, ...problem }));
  };
}

/** Never answers. */
export const hangs: Behaviour = () => {};

/** Waits, then behaves. */
export function after(ms: number, behaviour: Behaviour): Behaviour {
  return async (call, response, count) => {
    await new Promise((resolve) => {
      setTimeout(resolve, ms);
    });
    await behaviour(call, response, count);
  };
}

/** One behaviour for each call, the last one for all further calls. */
export function inTurn(...behaviours: Behaviour[]): Behaviour {
  return (call, response, count) =>
    (behaviours[Math.min(count, behaviours.length) - 1] as Behaviour)(call, response, count);
}

/** Streams events, one after another, `gapMs` apart. */
export function streams(events: readonly (readonly [string, unknown])[], gapMs = 0): Behaviour {
  return async (_call, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const [event, data] of events) {
      response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
      if (gapMs > 0) {
        await new Promise((resolve) => {
          setTimeout(resolve, gapMs);
        });
      }
    }
    response.end();
  };
}
