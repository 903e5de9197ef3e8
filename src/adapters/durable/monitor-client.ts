// What a tenant's monitor answers, and the client of it: the alerts as they stand, and the news that they may not.
import type { Alert } from "../../contract/metrics.ts";

export interface MonitorRpc {
  /** The alerts, judged now. */
  alerts(): Promise<Alert[]>;
  /** Figures have changed: the alerts will be judged again shortly. */
  news(): Promise<void>;
}

export function monitorOf(namespace: DurableObjectNamespace, tenant: string): MonitorRpc {
  return namespace.get(namespace.idFromName(tenant)) as unknown as MonitorRpc;
}
