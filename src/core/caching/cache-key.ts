// What makes two calls the same (src/contract/README.md section 6), as canonical text; adapters hash it. Everything
// that an agent receives and may base its answer on is part of it; conversation_id, execution and attempt are not.
import type { AgentCall, RegisteredAgent } from "../../contract/agent.ts";
import type { JsonObject } from "../../contract/json.ts";
import { canonicalJson } from "../json/json.ts";

export interface CacheKey {
  tenant: string;
  /** The run's question: results of one question may share a shard. */
  question: string;
  /** The same input to the same generation of the agent: a fresh result under it replaces the call. */
  exact: string;
  /** The same stage, agent, config and query, with any other input: the last result of these is a fallback. */
  family: string;
}

/** @param output_schema what the result satisfies; of another one it is another result */
export function cacheKey(
  tenant: string,
  registration: RegisteredAgent | null,
  call: AgentCall,
  output_schema?: JsonObject,
): CacheKey {
  const { stage, query, inputs, context, history, input: mapped, index } = call;
  const head = `${headOf(call)}${itemPart(call)}`;
  const part = iterationPart(call);
  const tail = tailOf(tenant, stage);
  const schema = output_schema === undefined ? "" : `"output_schema":${canonicalOfRun(output_schema)},`;
  const asked = `"query":${canonicalJson(query)}`;
  const agent = `"registration":${registration === null ? "null" : canonicalOfRun(registration)}`;
  if (mapped !== undefined) {
    // What its author has named is all that it is answered by.
    return {
      tenant,
      question: query,
      exact: `{${head}${part},"input":${canonicalJson(mapped)},${schema}${agent},${tail}}`,
      family: `{${head},${asked},${tail}}`,
    };
  }
  // The agent is sent the place, too: a list of equal items may ask for as many answers.
  const place = index === undefined ? "" : `,"index":${index}`;
  // What canonicalJson would make of one object of all these: its members are in the order of their names.
  const input = `"context":${canonicalJson(context)},"history":${canonicalOfRun(history)},"inputs":${canonicalJson(inputs)}`;
  return {
    tenant,
    question: query,
    exact: `{${head}${place}${part},${input},${schema}${asked},${agent},${tail}}`,
    family: `{${head},${asked},${tail}}`,
  };
}

/** The family of a stage's results. */
export function cacheFamily(
  tenant: string,
  stage: string,
  call: Pick<AgentCall, "agent_type" | "config">,
  query: string,
  ofItem: Pick<AgentCall, "item" | "index"> = {},
): string {
  return `{${headOf(call)}${itemPart(ofItem)},"query":${canonicalJson(query)},${tailOf(tenant, stage)}}`;
}

/** Of another item it is another call, also where the stage's `input` has nothing of it. */
function itemPart({ item, index }: Pick<AgentCall, "item" | "index">): string {
  // An item that is null is one, too.
  return index === undefined ? "" : `,"item":${canonicalJson(item ?? null)}`;
}

/** So it is in another iteration, or after another result. */
function iterationPart({ iteration, previous }: AgentCall): string {
  return iteration === undefined
    ? ""
    : `,"iteration":${iteration},"previous":${canonicalJson(previous ?? null)}`;
}

function headOf({ agent_type, config }: Pick<AgentCall, "agent_type" | "config">): string {
  return `"agent_type":${canonicalJson(agent_type)},"config":${canonicalJson(config)}`;
}

function tailOf(tenant: string, stage: string): string {
  return `"stage":${canonicalJson(stage)},"tenant":${canonicalJson(tenant)}`;
}

const texts = new WeakMap<object, string>();

/** Canonical JSON of a value that a run hands to each of its stages: made once for all of them. */
export function canonicalOfRun(value: object): string {
  let text = texts.get(value);
  if (text === undefined) {
    text = canonicalJson(value);
    texts.set(value, text);
  }
  return text;
}
