// A real Redis behind Upstash's REST protocol: a redis-server of its own on a socket file, and a bridge that speaks
// HTTP to @upstash/redis and RESP to the server. The bridge can also be slow, refuse, talk nonsense or be gone.
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, createConnection, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** How the bridge behaves; `slow` answers after so many ms. */
export type Mood = "well" | "refusing" | "garbage" | "hanging" | { slow: number };

export interface RedisRest {
  url: string;
  token: string;
  /** Requests that came in, whatever became of them. */
  requests: () => number;
  feel: (mood: Mood) => void;
  /** Closes the bridge's port; `back` opens the same one again. */
  leave: () => Promise<void>;
  back: () => Promise<void>;
  /** One command, past the bridge. */
  command: (...args: string[]) => Promise<Reply>;
  close: () => Promise<void>;
}

export type Reply = string | number | null | Reply[] | { error: string };

const TOKEN = "test-token";

export async function startRedis(): Promise<RedisRest> {
  const folder = await mkdtemp(join(tmpdir(), "agent-coordinator-redis-"));
  const path = join(folder, "redis.sock");
  const server = spawn(binary(), ["--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no"], {
    stdio: "ignore",
    cwd: folder,
  });
  running.add(server);
  const ended = once(server, "exit");
  await Promise.race([
    appears(path),
    ended.then(() => {
      throw new Error("redis-server ended before it listened");
    }),
  ]);
  const resp = new RespConnection(path);
  const bridge = new Bridge(resp);
  await bridge.open(0);
  const { port } = bridge;
  return {
    url: `http://127.0.0.1:${port}`,
    token: TOKEN,
    requests: () => bridge.requests,
    feel: (mood) => {
      bridge.mood = mood;
    },
    leave: () => bridge.close(),
    back: () => bridge.open(port),
    command: (...args) => resp.send(args),
    close: async () => {
      await bridge.close();
      resp.close();
      server.kill("SIGKILL");
      await ended;
      running.delete(server);
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const server of running) server.kill("SIGKILL");
});

/** A Redis on PATH, else one that is installed now, else an error that says what is missing. */
function binary(): string {
  const found = onPath();
  if (found !== null) return found;
  if (process.getuid?.() === 0) {
    spawnSync("apt-get", ["update", "-qq"], { stdio: "ignore" });
    spawnSync("apt-get", ["install", "-y", "-qq", "redis-server"], { stdio: "ignore" });
    const installed = onPath();
    if (installed !== null) return installed;
  }
  throw new Error("these tests need redis-server or valkey-server on PATH (apt-get install redis-server)");
}

function onPath(): string | null {
  for (const name of ["redis-server", "valkey-server"]) {
    try {
      execFileSync(name, ["--version"], { stdio: "ignore" });
      return name;
    } catch {
      // Not this one.
    }
  }
  return null;
}

/** Resolves when the server takes connections: its socket's file is there a moment before. */
async function appears(path: string): Promise<void> {
  for (;;) {
    const taken = await new Promise<boolean>((resolve) => {
      const socket = createConnection(path);
      socket.once("connect", () => resolve(true));
      socket.once("error", () => resolve(false));
      socket.once("close", () => resolve(false));
      socket.once("connect", () => socket.destroy());
    });
    if (taken) return;
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
  }
}

class Bridge {
  mood: Mood = "well";
  requests = 0;
  port = 0;
  private server: Server | null = null;
  private readonly sockets = new Set<Socket>();
  /** The hash that a script has with Upstash's flag → the one it has here without it. */
  private readonly scripts = new Map<string, string>();
  private readonly resp: RespConnection;

  constructor(resp: RespConnection) {
    this.resp = resp;
  }

  async open(port: number): Promise<void> {
    const server = createServer((request, response) => void this.serve(request, response));
    server.on("connection", (socket) => {
      this.sockets.add(socket);
      socket.on("close", () => this.sockets.delete(socket));
    });
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    this.server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const { server } = this;
    if (server === null) return;
    this.server = null;
    for (const socket of this.sockets) socket.destroy();
    server.close();
    await once(server, "close");
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests += 1;
    let text = "";
    for await (const chunk of request) text += String(chunk);
    const { mood } = this;
    if (mood === "hanging") return;
    if (mood === "garbage") {
      response.writeHead(200, { "content-type": "application/json" }).end('{"result": <html>');
      return;
    }
    if (mood === "refusing") {
      response.writeHead(503, { "content-type": "application/json" }).end('{"error":"ERR busy"}');
      return;
    }
    if (typeof mood === "object") {
      await new Promise((resolve) => {
        setTimeout(resolve, mood.slow);
      });
    }
    const base64 = request.headers["upstash-encoding"] === "base64";
    const answer = (status: number, body: unknown) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    if (request.headers.authorization !== `Bearer ${TOKEN}`) {
      answer(401, { error: "WRONGPASS invalid or missing auth token" });
      return;
    }
    const body = JSON.parse(text) as unknown[];
    if (request.url === "/pipeline" || request.url === "/multi-exec") {
      const replies = [];
      for (const command of body as unknown[][]) replies.push(wire(await this.run(command), base64));
      answer(200, replies);
      return;
    }
    const reply = wire(await this.run(body), base64);
    answer("error" in reply ? 400 : 200, reply);
  }

  private async run(command: unknown[]): Promise<Reply> {
    const args = command.map((arg) => (typeof arg === "string" ? arg : JSON.stringify(arg)));
    const verb = args[0]?.toLowerCase();
    const script = args[1] ?? "";
    if (verb === "eval" && script.startsWith("#!lua")) {
      // Plain Redis knows neither this flag nor the hash that it is part of.
      const plain = script.slice(script.indexOf("\n") + 1);
      this.scripts.set(sha1(script), sha1(plain));
      return this.resp.send([args[0] as string, plain, ...args.slice(2)]);
    }
    if (verb === "evalsha") {
      return this.resp.send([args[0] as string, this.scripts.get(script) ?? script, ...args.slice(2)]);
    }
    return this.resp.send(args);
  }
}

function sha1(text: string): string {
  return createHash("sha1").update(text).digest("hex");
}

function wire(reply: Reply, base64: boolean): { result: unknown } | { error: string } {
  if (reply !== null && typeof reply === "object" && "error" in reply) return { error: reply.error };
  return { result: reply === "OK" || !base64 ? reply : encoded(reply) };
}

function encoded(reply: Reply): unknown {
  if (typeof reply === "string") return Buffer.from(reply).toString("base64");
  return Array.isArray(reply) ? reply.map(encoded) : reply;
}

/** One connection to Redis; replies come in the order of the commands. */
class RespConnection {
  private readonly socket: Socket;
  private buffer = Buffer.alloc(0);
  private readonly waiting: ((reply: Reply) => void)[] = [];

  constructor(path: string) {
    this.socket = createConnection(path);
    this.socket.on("data", (chunk) => {
      this.buffer = Buffer.concat([this.buffer, chunk]);
      for (let parsed = parse(this.buffer, 0); parsed !== null; parsed = parse(this.buffer, 0)) {
        this.buffer = this.buffer.subarray(parsed.next);
        this.waiting.shift()?.(parsed.reply);
      }
    });
  }

  send(args: readonly string[]): Promise<Reply> {
    const parts = args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`);
    this.socket.write(`*${args.length}\r\n${parts.join("")}`);
    return new Promise((resolve) => {
      this.waiting.push(resolve);
    });
  }

  close(): void {
    this.socket.destroy();
  }
}

/** The reply that begins at `at`, or null where it is not whole yet. */
function parse(buffer: Buffer, at: number): { reply: Reply; next: number } | null {
  const end = buffer.indexOf("\r\n", at);
  if (end === -1) return null;
  const line = buffer.toString("utf8", at + 1, end);
  const next = end + 2;
  switch (String.fromCharCode(buffer[at] as number)) {
    case "+":
      return { reply: line, next };
    case "-":
      return { reply: { error: line }, next };
    case ":":
      return { reply: Number(line), next };
    case "$": {
      const length = Number(line);
      if (length < 0) return { reply: null, next };
      if (buffer.length < next + length + 2) return null;
      return { reply: buffer.toString("utf8", next, next + length), next: next + length + 2 };
    }
    default: {
      const replies: Reply[] = [];
      let from = next;
      for (let left = Number(line); left > 0; left -= 1) {
        const item = parse(buffer, from);
        if (item === null) return null;
        replies.push(item.reply);
        from = item.next;
      }
      return { reply: replies, next: from };
    }
  }
}
