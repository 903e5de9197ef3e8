// Agents as typed definitions name them: the agent_type, with the types of the agent's config, data and inputs.
import type { AgentTypes } from "../../contract/agent-types.ts";

/**
 * An agent by its name, and what the compiler knows of it: `Config` as a stage writes it, the `Data` that it gives, and
 * the `Inputs` that it takes, by the name of the stage that gives them. What is `unknown` is not checked.
 *
 * @example
 * const search: AgentRef<{ max_results?: number }, { passages: string[] }> = agentRef("source_retrieval");
 */
export interface AgentRef<Config = unknown, Data = unknown, Inputs = unknown>
  extends AgentTypes<Config, Inputs, Data> {
  readonly agent_type: string;
}

/**
 * Names an agent whose types are written by hand, such as one in another language.
 *
 * @param agent_type as it is registered
 * @returns what the `agent` of a stage takes; at run time it is the name alone. Nothing is thrown
 * @example
 * const translator = agentRef<{ language: string }, { text: string }>("translator");
 * const translated = pipeline("translated").stage("translate", { agent: translator, config: { language: "de" } });
 */
export function agentRef<Config = unknown, Data = unknown, Inputs = unknown>(
  agent_type: string,
): AgentRef<Config, Data, Inputs> {
  return { agent_type };
}

/**
 * Names an agent with the types of its `defineAgent`. Its module is imported for its types alone: none of its code is
 * in the program that defines the pipeline.
 *
 * @param agent_type as it is registered
 * @returns as `agentRef`. Nothing is thrown
 * @example
 * import { defineAgent } from "agent-coordinator/agent";
 * import { z } from "zod";
 *
 * // In the agent's module:
 * const search = defineAgent({
 *   config: z.object({ max_results: z.number().default(5) }),
 *   inputs: z.object({}),
 *   result: z.object({ passages: z.array(z.string()) }),
 *   run: async ({ query, config }) => ({ data: { passages: [query].slice(0, config.max_results) } }),
 * });
 *
 * // Where the pipeline is defined, after `import type { search } from "./search.ts"`:
 * const searchAgent = agentOf<typeof search>("source_retrieval");
 * const short = pipeline("short").stage("search", { agent: searchAgent, config: { max_results: 3 } });
 */
export function agentOf<Agent extends AgentTypes<unknown, unknown, unknown>>(
  agent_type: string,
): AgentRef<ConfigOf<Agent>, DataOf<Agent>, InputsOf<Agent>> {
  return { agent_type };
}

type Types<Agent> =
  Agent extends AgentTypes<infer Config, infer Inputs, infer Data>
    ? { config: Config; inputs: Inputs; data: Data }
    : { config: unknown; inputs: unknown; data: unknown };

export type ConfigOf<Agent> = Types<Agent>["config"];
export type InputsOf<Agent> = Types<Agent>["inputs"];
export type DataOf<Agent> = Types<Agent>["data"];
