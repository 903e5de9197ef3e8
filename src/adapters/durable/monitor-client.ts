// The client of a tenant's monitor: reads the current alerts and notifies it of changes.
import type { Alert } from "../../contract/metrics.ts";

export interface MonitorRpc {
  /** The alerts, judged now. */
  alerts(): Promise<Alert[]>;
  /** Figures have changed: the alerts will be judged again shortly. */
  metricsChanged(): Promise<void>;
}

export function monitorOf(namespace: DurableObjectNamespace, tenant: string): MonitorRpc {
  return namespace.get(namespace.idFromName(tenant)) as unknown as MonitorRpc;
}
