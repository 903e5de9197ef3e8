// Cached ids of a tenant's shard objects. Deriving an id from a name hashes it twice, which costs a tenth of a call.

/** Maximum number of cached names per namespace; the least recently used is evicted first. */
const NAMES = 1_000;

export type ObjectIds = (name: string) => DurableObjectId;

export function objectIds(namespace: DurableObjectNamespace): ObjectIds {
  const known = new Map<string, DurableObjectId>();
  return (name) => {
    const id = known.get(name) ?? namespace.idFromName(name);
    known.delete(name);
    known.set(name, id);
    const oldest = known.keys().next().value;
    if (known.size > NAMES && oldest !== undefined) known.delete(oldest);
    return id;
  };
}
