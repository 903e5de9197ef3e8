// The client of a tenant's delivery queue for webhooks and traces: at most eight objects, each with the parcels whose
// id hashes to it. A job that is enqueued twice is delivered once, or at worst twice under one id.
import type { Couriers, Parcel } from "../../engine/worker-ports.ts";
import { fnv1a } from "../../core/hash.ts";
import { objectIds } from "./object-ids.ts";

export interface CourierRpc {
  /** Durable when it resolves. */
  take(parcels: readonly Parcel[]): Promise<void>;
}

const SHARDS = 8;

export function couriersOver(namespace: DurableObjectNamespace): Couriers {
  const idOf = objectIds(namespace);
  return {
    send: (tenant, parcel) => {
      const id = idOf(`${tenant}/${fnv1a(parcel.id) % SHARDS}`);
      return (namespace.get(id) as unknown as CourierRpc).take([parcel]);
    },
  };
}
