// One run, as a request to the floor or to the coordinator. The caller gets an error for a run that did not complete:
// a benchmark of failures would be a fast one.
import type { Shot } from "./load.ts";
import { send } from "./load.ts";
import { type Layers, pipelineOf } from "./shapes-of-runs.ts";

/** All that a request needs of a server. */
interface At {
  url: string;
}

/** Of one caller, who keeps one conversation. */
export type Caller = (caller: number) => Shot;

export function floorRun(server: At, path: string, layers: Layers): Caller {
  return (caller) => ({
    url: `${server.url}/${path}`,
    body: JSON.stringify({ query: "a question", conversation_id: `c${caller}`, layers }),
  });
}

/**
 * @param query what is asked; the same each time unless it says otherwise
 * @param conversation each caller's own unless it says otherwise
 */
export function coordinatorRun(
  server: At,
  pipeline: string,
  as: "json" | "stream" = "json",
  query: () => string = () => "a question",
  conversation: (caller: number) => string = (caller) => `c${caller}`,
): Caller {
  return (caller) => ({
    url: `${server.url}/v1/executions`,
    headers: { accept: as === "json" ? "application/json" : "text/event-stream" },
    body: JSON.stringify({ query: query(), conversation_id: conversation(caller), pipeline }),
    expect: as === "json" ? '"error_info":null' : "event: execution.completed",
  });
}

/** Registers the agent and pipelines by name. @param cache see pipelineOf */
export async function define(server: At, pipelines: Record<string, Layers>, cache = false): Promise<void> {
  await send(`${server.url}/v1/agents/instant`, { binding: "AGENTS", path: "/instant" });
  for (const [name, layers] of Object.entries(pipelines)) {
    await send(`${server.url}/v1/pipelines/${name}`, pipelineOf(layers, cache));
  }
}

export async function configure(server: At, config: object): Promise<void> {
  await send(`${server.url}/v1/config`, config, "PATCH");
}
