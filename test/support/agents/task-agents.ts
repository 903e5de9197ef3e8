// Agents of A2A by hand: JSON-RPC methods that a test answers as it likes, the agent's card, and results in their form.
import type { ServerResponse } from "node:http";
import type { AgentServer } from "./agent-server.ts";
import { callAgent, type Called } from "./protocol-call.ts";

export const CARD = "/.well-known/agent-card.json";

export const cardOf = (url: string, streaming: boolean, more: object = {}) => ({
  name: "test",
  description: "test",
  version: "1",
  supportedInterfaces: [{ url, protocolBinding: "JSONRPC", protocolVersion: "1.0" }],
  capabilities: { streaming },
  defaultInputModes: ["text/plain"],
  defaultOutputModes: ["text/plain"],
  skills: [],
  ...more,
});

export interface Sent {
  id: number;
  method: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
  params: any;
}
export type Answer = (sent: Sent, response: ServerResponse) => void;

export const json = (response: ServerResponse, value: object) =>
  void response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));

/** Answers with a result in one piece. */
export const result =
  (value: object): Answer =>
  ({ id }, response) =>
    json(response, { jsonrpc: "2.0", id, result: value });

/** Answers with an error of JSON-RPC. */
export const fails =
  (code: number, message = "no", data?: unknown): Answer =>
  ({ id }, response) =>
    json(response, { jsonrpc: "2.0", id, error: { code, message, data } });

/** Answers with a stream of results. */
export const events =
  (results: object[], end: (response: ServerResponse) => void = (response) => response.end()): Answer =>
  ({ id }, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const text = results.map((one) => `data: ${JSON.stringify({ jsonrpc: "2.0", id, result: one })}\n\n`);
    response.write(text.join(""), () => end(response));
  };

const own = { taskId: "t1", contextId: "x1" };
const state = (name: string, words?: string) => ({
  state: `TASK_STATE_${name}`,
  ...(words === undefined ? {} : { message: { parts: [{ text: words }] } }),
});
export const begun = { task: { id: "t1", contextId: "x1", status: state("WORKING") } };
export const status = (name: string, words?: string) => ({
  statusUpdate: { ...own, status: state(name, words) },
});
export const piece = (text: string, append = true) => ({
  artifactUpdate: { ...own, artifact: { artifactId: "a", parts: [{ text }] }, append },
});
export const done = (text: string) => ({
  id: "t1",
  status: state("COMPLETED"),
  artifacts: [{ artifactId: "a", parts: [{ text }] }],
});

export type TaskAgents = ReturnType<typeof taskAgents>;

export function taskAgents(agents: AgentServer) {
  let paths = 0;
  /**
   * @param methods by name; those that are missing are refused
   * @param card of the agent with this URL, by default one of 1.0
   * @returns the agent's path
   */
  function start(methods: Record<string, Answer>, streaming = true, card?: (url: string) => object): string {
    const path = `/a2a-${(paths += 1)}`;
    const url = agents.url(`${path}/rpc`);
    agents.on(`${path}${CARD}`, (_call, response) => json(response, card?.(url) ?? cardOf(url, streaming)));
    agents.on(`${path}/rpc`, (call, response) => {
      const sent = call.body as unknown as Sent;
      const answer = methods[sent.method] ?? fails(-32_601, `no ${sent.method}`);
      answer(sent, response);
    });
    return path;
  }
  const run = (
    path: string,
    options: Record<string, unknown> = {},
    call: Parameters<typeof callAgent>[1] = {},
    request: Parameters<typeof callAgent>[2] = {},
    signal?: AbortSignal,
  ): Promise<Called> =>
    callAgent({ url: agents.url(path), protocol: "a2a", options: { ...options } }, call, request, signal);
  const sentTo = (path: string) => agents.callsOf(`${path}/rpc`).map(({ body }) => body as unknown as Sent);
  const methodsOf = (path: string) => sentTo(path).map(({ method }) => method);
  return { start, run, sentTo, methodsOf };
}
