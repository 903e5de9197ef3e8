// The calls that tests make most, over a coordinator's URL; each fails the test where it is refused.
export interface Calls {
  fetch(path: string, init?: RequestInit): Promise<Response>;
  send(method: string, path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
  pipeline(name: string, stages: unknown[]): Promise<void>;
  agent(agent_type: string, url: string): Promise<void>;
  /** POSTs an execution; the response as it comes. */
  post(body: Record<string, unknown>, headers?: Record<string, string>): Promise<Response>;
  /** Starts an execution by this name and does not wait; the promise settles when it is acknowledged. */
  begin(execution_id: string, pipeline: string, pipeline_config?: object): Promise<void>;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look at answers as a caller does: as JSON.
  read(execution_id: string): Promise<any>;
}

/** @param key presented with every call, where the coordinator knows keys */
export function callsTo(url: string, key?: string): Calls {
  const auth: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const call = (path: string, init?: RequestInit) =>
    fetch(`${url}${path}`, {
      ...init,
      headers: { ...auth, ...Object.fromEntries(new Headers(init?.headers)) },
    });
  const send: Calls["send"] = (method, path, body, headers = {}) =>
    call(path, {
      method,
      body: JSON.stringify(body),
      headers: { "content-type": "application/json", ...headers },
    });
  const expectOk = async (response: Response): Promise<unknown> => {
    const text = await response.text();
    if (!response.ok) throw new Error(`${response.status} ${text}`);
    return JSON.parse(text) as unknown;
  };
  const post: Calls["post"] = (body, headers) =>
    send("POST", "/v1/executions", { query: "a question", conversation_id: "c1", ...body }, headers);
  return {
    fetch: call,
    send,
    pipeline: async (name, stages) => {
      await expectOk(await send("PUT", `/v1/pipelines/${name}`, { stages }));
    },
    agent: async (agent_type, target) => {
      await expectOk(await send("PUT", `/v1/agents/${agent_type}`, { url: target }));
    },
    post,
    begin: async (execution_id, pipeline, pipeline_config = {}) => {
      const body = { execution_id, pipeline, pipeline_config, query: `the question of ${execution_id}` };
      await expectOk(await post(body, { prefer: "respond-async" }));
    },
    read: async (execution_id) => expectOk(await call(`/v1/executions/${execution_id}`)),
  };
}
