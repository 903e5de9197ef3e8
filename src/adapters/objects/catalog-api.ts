// What a tenant's catalog answers, and the client of it that the Worker holds: read from the isolate's memory, at
// most CATALOG_AGE_MS old, at once after a write of this isolate, and afresh for whoever names a newer version.
import type { AgentRegistration, RegisteredAgent } from "../../contract/agent.ts";
import type { CoordinatorConfig } from "../../contract/config.ts";
import type { JsonObject } from "../../contract/json.ts";
import type { Pipeline } from "../../contract/pipeline.ts";
import type { Result } from "../../contract/problem.ts";
import type { PipelineChange } from "../../core/pipeline/edit.ts";
import type { Standing, TenantHealth } from "../embedded/agent-health.ts";

/** Everything that a tenant has defined. */
export interface CatalogSnapshot {
  pipelines: Record<string, Pipeline>;
  /** Null where a registration that stood from the start was removed. */
  agents: Record<string, RegisteredAgent | null>;
  config: JsonObject;
  /** What stands against its agents. */
  health: TenantHealth;
}

/** What must hold for a write: nothing, that the pipeline is there, or that it has this version (0: is not there). */
export type Precondition = null | "exists" | number;

/** What came of a write, and what stands after it. */
export interface Written<T> {
  outcome: T;
  snapshot: CatalogSnapshot;
}

export interface CatalogRpc {
  snapshot(): Promise<CatalogSnapshot>;
  changePipeline(
    name: string,
    change: PipelineChange,
    condition: Precondition,
  ): Promise<Written<Result<{ created: boolean }>>>;
  deletePipeline(name: string, condition: Precondition): Promise<Written<Result<null>>>;
  /** @param registration null takes it away, also one that stands from the start */
  setAgent(agent_type: string, registration: AgentRegistration | null): Promise<Written<null>>;
  /** @param environment the config that holds without any patch */
  patchConfig(patch: JsonObject, environment: CoordinatorConfig): Promise<Written<Result<null>>>;
  health(): Promise<TenantHealth>;
  /** News of an agent's breaker; older news than what is known changes nothing. */
  noteHealth(agent_type: string, standing: Standing): Promise<void>;
}

export interface Catalogs {
  /** @param maxAgeMs 0 asks the object itself */
  read(tenant: string, maxAgeMs?: number): Promise<CatalogSnapshot>;
  /** What a read would find in memory, without waiting; null where it would have to ask. */
  peek(tenant: string): CatalogSnapshot | null;
  /** Writes, and remembers what stands after it. */
  write<T>(tenant: string, write: (rpc: CatalogRpc) => Promise<Written<T>>): Promise<Written<T>>;
}

/** How old a tenant's definitions may be in an isolate that did not write them; breakers travel with them. */
const CATALOG_AGE_MS = 1_900;
/** Tenants an isolate remembers; the one unused longest goes first. */
const REMEMBERED_TENANTS = 1_000;

interface Remembered {
  snapshot: Promise<CatalogSnapshot>;
  /** The same, once it is there. */
  known: CatalogSnapshot | null;
  at: number;
}

/** @param now milliseconds since the epoch */
export function catalogsOver(namespace: DurableObjectNamespace, now: () => number): Catalogs {
  const remembered = new Map<string, Remembered>();
  const rpc = (tenant: string) => namespace.get(namespace.idFromName(tenant)) as unknown as CatalogRpc;
  const remember = (tenant: string, snapshot: Promise<CatalogSnapshot>): Remembered => {
    const entry: Remembered = { snapshot, known: null, at: now() };
    snapshot.then(
      (known) => {
        entry.known = known;
      },
      () => {},
    );
    remembered.delete(tenant);
    remembered.set(tenant, entry);
    const oldest = remembered.keys().next().value;
    if (remembered.size > REMEMBERED_TENANTS && oldest !== undefined) remembered.delete(oldest);
    return entry;
  };
  return {
    read(tenant, maxAgeMs = CATALOG_AGE_MS) {
      const known = remembered.get(tenant);
      if (known !== undefined && now() - known.at < maxAgeMs) return known.snapshot;
      const entry = remember(tenant, rpc(tenant).snapshot());
      // A read that failed is not remembered; what a write has put in its place meanwhile stays.
      entry.snapshot.catch(() => {
        if (remembered.get(tenant) === entry) remembered.delete(tenant);
      });
      return entry.snapshot;
    },
    peek(tenant) {
      const known = remembered.get(tenant);
      return known !== undefined && now() - known.at < CATALOG_AGE_MS ? known.known : null;
    },
    async write(tenant, write) {
      const written = await write(rpc(tenant));
      remember(tenant, Promise.resolve(written.snapshot));
      return written;
    },
  };
}
