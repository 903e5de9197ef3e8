// The ids of objects that are asked for again and again, a tenant's shards. To make an id of a name is to hash it twice,
// which costs a tenth of a call.
import { Lru } from "../platform/lru.ts";

/** Names remembered for each namespace; the one unused longest goes first. */
const NAMES = 1_000;

export type ObjectIds = (name: string) => DurableObjectId;

export function objectIds(namespace: DurableObjectNamespace): ObjectIds {
  const known = new Lru<string, DurableObjectId>({ entries: NAMES });
  return (name) => known.get(name, () => namespace.idFromName(name));
}
