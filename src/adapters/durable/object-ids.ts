// Cached ids of a tenant's shard objects. Deriving an id from a name hashes it twice, which costs a tenth of a call.
import { Lru } from "../platform/lru.ts";

/** Maximum number of cached names per namespace; the least recently used is evicted first. */
const NAMES = 1_000;

export type ObjectIds = (name: string) => DurableObjectId;

export function objectIds(namespace: DurableObjectNamespace): ObjectIds {
  const known = new Lru<string, DurableObjectId>({ entries: NAMES });
  return (name) => known.get(name, () => namespace.idFromName(name));
}
