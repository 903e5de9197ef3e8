// The descriptions of every operation: its endpoint, its input and its responses. document.ts makes the
// document of it. No call needs it, and it is evaluated only when the document is requested.
import { ABOUT, FIGURES } from "./operations/about.ts";
import { AGENTS, CONFIG, PIPELINES } from "./operations/definitions.ts";
import type { Description } from "./operations/description.ts";
import { EXECUTIONS } from "./operations/executions.ts";
import { type Endpoint, type OperationId, type QueryOf, API_ENDPOINTS } from "../endpoints.ts";

export interface Operation extends Endpoint, Description {
  id: string;
  tag: string;
}

/** Every parameter of the endpoint's query is described. */
type Described<Id extends OperationId> = [QueryOf<Id>] extends [never]
  ? Description
  : Description & { parameters: Readonly<Record<keyof QueryOf<Id>, string>> };

/** By the tag that the document groups them under. */
const SUBJECTS = {
  executions: EXECUTIONS,
  pipelines: PIPELINES,
  agents: AGENTS,
  config: CONFIG,
  metrics: FIGURES,
  about: ABOUT,
};

const DESCRIPTIONS: { readonly [Id in OperationId]: Described<Id> } = {
  ...EXECUTIONS,
  ...PIPELINES,
  ...AGENTS,
  ...CONFIG,
  ...FIGURES,
  ...ABOUT,
};

const TAGS = Object.fromEntries(
  Object.entries(SUBJECTS).flatMap(([tag, subject]) => Object.keys(subject).map((id) => [id, tag])),
);

/** In the surface's order. */
export const OPERATIONS: readonly Operation[] = (Object.keys(API_ENDPOINTS) as OperationId[]).map((id) => ({
  id,
  tag: TAGS[id] ?? "",
  ...API_ENDPOINTS[id],
  ...DESCRIPTIONS[id],
}));
