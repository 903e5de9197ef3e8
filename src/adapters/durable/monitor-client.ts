// The client of a tenant's monitor: reads the current alerts and notifies it of changes.
import type { MonitorRpc } from "../../engine/worker-ports.ts";

export function monitorOf(namespace: DurableObjectNamespace, tenant: string): MonitorRpc {
  return namespace.get(namespace.idFromName(tenant)) as unknown as MonitorRpc;
}
