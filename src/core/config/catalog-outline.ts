// What isolates hold of a tenant's definitions: of every pipeline its version, and the definitions of those that are
// small. A large one is asked for by its name when it is run, so that a snapshot stays small however much is defined.
import { TIMINGS } from "../timings.ts";
import type { TenantShards } from "../monitoring/shards.ts";
import type { Definitions } from "./catalog-bounds.ts";

export interface CatalogOutline extends Definitions {
  /** Every pipeline's version. A name and a version mean one definition for ever. */
  versions: Record<string, number>;
  /** Where runs, turns and results are. */
  shards: TenantShards;
}

/** The definitions without those of large pipelines. */
export function outlineOf(definitions: Definitions, shards: TenantShards): CatalogOutline {
  let left: number = TIMINGS.CATALOG_INLINE_CHARS;
  const small = Object.entries(definitions.pipelines).filter(([, pipeline]) => {
    const chars = JSON.stringify(pipeline).length;
    const isInline = chars <= TIMINGS.CATALOG_INLINE_EACH_CHARS && chars <= left;
    if (isInline) left -= chars;
    return isInline;
  });
  return { ...definitions, pipelines: Object.fromEntries(small), versions: versionsOf(definitions), shards };
}

export function versionsOf({ pipelines }: Pick<Definitions, "pipelines">): Record<string, number> {
  return Object.fromEntries(Object.values(pipelines).map(({ name, version }) => [name, version]));
}
