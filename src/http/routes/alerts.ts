// /v1/alerts: thresholds, values, and which alerts fire.
import { endpoint } from "../endpoint.ts";

export const alerts = [
  endpoint({
    id: "get_alerts",
    method: "get",
    path: "/v1/alerts",
    permission: "read",
    answers: { 200: "AlertList" },
    describe: () => ({
      summary: "List alerts with their thresholds and values",
      answers: { 200: "Every alert, firing or not; error rates are per stage" },
    }),
    handle: async ({ services, tenant }) => ({
      status: 200,
      json: { data: await services.monitor(tenant).alerts() },
    }),
  }),
];
