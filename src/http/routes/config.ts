// /v1/config: the effective CoordinatorConfig, and RFC 7396 patches of it.
import { ConfigPatch } from "../../contract/config.ts";
import { effectiveConfig } from "../../core/config/config.ts";
import { endpoint } from "../endpoint.ts";

const PATH = "/v1/config";

export const config = [
  endpoint({
    id: "get_config",
    method: "get",
    path: PATH,
    permission: "read",
    answers: { 200: "CoordinatorConfig" },
    describe: () => ({
      summary: "Get the effective config",
      answers: { 200: "The config" },
    }),
    handle: async ({ services, tenant }) => {
      const catalog = await services.catalogs.read(tenant, 0);
      return { status: 200, json: effectiveConfig(services.settings.config, catalog.config) };
    },
  }),
  endpoint({
    id: "update_config",
    method: "patch",
    path: PATH,
    permission: "admin",
    body: {
      name: "ConfigPatch",
      schema: ConfigPatch,
      also: ["application/merge-patch+json"],
    },
    answers: { 200: "CoordinatorConfig" },
    describe: () => ({
      summary: "Update the config (JSON Merge Patch, RFC 7396); null restores a default",
      answers: { 200: "The updated effective config" },
    }),
    handle: async ({ services, tenant, body }) => {
      const environment = services.settings.config;
      const { outcome, snapshot } = await services.catalogs.write(tenant, (rpc) =>
        rpc.patchConfig(body, environment),
      );
      if (!outcome.ok) return outcome;
      return { status: 200, json: effectiveConfig(environment, snapshot.config) };
    },
  }),
];
