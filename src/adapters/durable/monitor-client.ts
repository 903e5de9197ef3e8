// The client of a tenant's monitor: reads the current alerts and notifies it of changes.
import type { Alert } from "../../contract/metrics.ts";

export interface MonitorRpc {
  /** The alerts, evaluated now. */
  alerts(): Promise<Alert[]>;
  /** Metrics have changed: the alerts are evaluated again shortly. */
  metricsChanged(): Promise<void>;
}

export function monitorOf(namespace: DurableObjectNamespace, tenant: string): MonitorRpc {
  return namespace.get(namespace.idFromName(tenant)) as unknown as MonitorRpc;
}
