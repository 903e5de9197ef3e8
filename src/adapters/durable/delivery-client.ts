// The client of a tenant's delivery queue for webhooks and traces: at most eight objects, each with the jobs whose id
// hashes to it. A job that is enqueued twice is delivered once, or at worst twice under one id.
import type { DeliveryQueue, DeliveryJob } from "../../engine/worker-ports.ts";
import { fnv1a } from "../../core/hash.ts";
import { objectIds } from "./object-ids.ts";

export interface DeliveryQueueRpc {
  /** Durable when it resolves. */
  take(jobs: readonly DeliveryJob[]): Promise<void>;
}

const SHARDS = 8;

export function deliveryQueueOver(namespace: DurableObjectNamespace): DeliveryQueue {
  const idOf = objectIds(namespace);
  return {
    send: (tenant, job) => {
      const id = idOf(`${tenant}/${fnv1a(job.id) % SHARDS}`);
      return (namespace.get(id) as unknown as DeliveryQueueRpc).take([job]);
    },
  };
}
