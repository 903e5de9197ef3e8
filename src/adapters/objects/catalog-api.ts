// What a tenant's catalog answers, and the client of it that the Worker holds: read from the isolate's memory, at
// most CATALOG_AGE_MS old, at once after a write of this isolate, and afresh for whoever names a newer version.
import type { AgentRegistration } from "../../contract/agent.ts";
import type { JsonObject } from "../../contract/json.ts";
import type { Pipeline, PipelineDefinition } from "../../contract/pipeline.ts";

/** Everything that a tenant has defined. */
export interface CatalogSnapshot {
  pipelines: Record<string, Pipeline>;
  /** Null where a registration that stood from the start was removed. */
  agents: Record<string, AgentRegistration | null>;
  config: JsonObject;
}

export interface CatalogRpc {
  snapshot(): Promise<CatalogSnapshot>;
  putPipeline(
    name: string,
    definition: PipelineDefinition,
  ): Promise<{ created: boolean; snapshot: CatalogSnapshot }>;
  putAgent(
    agent_type: string,
    registration: AgentRegistration,
  ): Promise<{ created: boolean; snapshot: CatalogSnapshot }>;
}

export interface Catalogs {
  /** @param maxAgeMs 0 asks the object itself */
  read(tenant: string, maxAgeMs?: number): Promise<CatalogSnapshot>;
  /** Writes, and remembers what stands after it. */
  write<T extends { snapshot: CatalogSnapshot }>(
    tenant: string,
    write: (rpc: CatalogRpc) => Promise<T>,
  ): Promise<T>;
}

/** How old a tenant's definitions may be in an isolate that did not write them. */
export const CATALOG_AGE_MS = 5_000;
/** Tenants an isolate remembers; the one unused longest goes first. */
const REMEMBERED_TENANTS = 1_000;

interface Remembered {
  snapshot: Promise<CatalogSnapshot>;
  at: number;
}

/** @param now milliseconds since the epoch */
export function catalogsOver(namespace: DurableObjectNamespace, now: () => number): Catalogs {
  const remembered = new Map<string, Remembered>();
  const rpc = (tenant: string) => namespace.get(namespace.idFromName(tenant)) as unknown as CatalogRpc;
  const remember = (tenant: string, snapshot: Promise<CatalogSnapshot>) => {
    remembered.delete(tenant);
    remembered.set(tenant, { snapshot, at: now() });
    const oldest = remembered.keys().next().value;
    if (remembered.size > REMEMBERED_TENANTS && oldest !== undefined) remembered.delete(oldest);
  };
  return {
    read(tenant, maxAgeMs = CATALOG_AGE_MS) {
      const known = remembered.get(tenant);
      if (known !== undefined && now() - known.at < maxAgeMs) return known.snapshot;
      const snapshot = rpc(tenant).snapshot();
      remember(tenant, snapshot);
      // A read that failed is not remembered.
      snapshot.catch(() => remembered.delete(tenant));
      return snapshot;
    },
    async write(tenant, write) {
      const written = await write(rpc(tenant));
      remember(tenant, Promise.resolve(written.snapshot));
      return written;
    },
  };
}
