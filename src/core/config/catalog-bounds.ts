// How much a tenant may define. All definitions travel to every isolate that runs something for the tenant, as one
// text: a write that would make it larger than its bounds is refused, so that no write can end the tenant's reads.
import type { RegisteredAgent } from "../../contract/agent.ts";
import type { JsonObject } from "../../contract/json.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Pipeline } from "../../contract/pipeline.ts";
import type { CoordinatorError } from "../../contract/problem.ts";

/** Everything that a tenant has defined. */
export interface Definitions {
  pipelines: Record<string, Pipeline>;
  /** Null where a registration that is there from the start was removed. */
  agents: Record<string, RegisteredAgent | null>;
  /** The stored patch. */
  config: JsonObject;
}

/** Why definitions may not become these, or null. What does not grow is never refused, however large it is already. */
export function boundsFault(before: Definitions, after: Definitions): CoordinatorError | null {
  for (const { what, limit, sizeOf } of BOUNDS) {
    const size = sizeOf(after);
    if (size > limit && size > sizeOf(before)) return { code: "RESOURCE_EXHAUSTED", what, limit, size };
  }
  return null;
}

interface Bound {
  what: "pipelines" | "agents" | "config" | "catalog";
  limit: number;
  sizeOf: (definitions: Definitions) => number;
}

const BOUNDS: readonly Bound[] = [
  { what: "pipelines", limit: LIMITS.PIPELINES, sizeOf: ({ pipelines }) => Object.keys(pipelines).length },
  {
    what: "agents",
    limit: LIMITS.AGENTS,
    sizeOf: ({ agents }) => Object.values(agents).filter((agent) => agent !== null).length,
  },
  { what: "config", limit: LIMITS.CONFIG_BYTES, sizeOf: ({ config }) => jsonBytes(config) },
  { what: "catalog", limit: LIMITS.CATALOG_BYTES, sizeOf: jsonBytes },
];

function jsonBytes(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).byteLength;
}
