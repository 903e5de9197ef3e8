// The agent card: what a client of A2A reads before it calls, of one pipeline, or of all of them as skills.
import type { JsonObject } from "../../../contract/json.ts";
import type { Pipeline } from "../../../contract/pipeline.ts";
import { VERSION } from "../../../version.ts";

/** @param url of the interface, absolute */
export function agentCard(
  name: string,
  description: string,
  url: string,
  pipelines: readonly Pipeline[],
): JsonObject {
  return {
    name,
    description,
    version: VERSION,
    supportedInterfaces: [{ url, protocolBinding: "JSONRPC", protocolVersion: "1.0" }],
    capabilities: { streaming: true, pushNotifications: false, extendedAgentCard: false },
    securitySchemes: { key: { httpAuthSecurityScheme: { scheme: "Bearer" } } },
    securityRequirements: [{ schemes: { key: { list: [] } } }],
    defaultInputModes: ["text/plain", "application/json"],
    defaultOutputModes: ["text/markdown", "application/json"],
    skills: pipelines.map(skillOf),
  };
}

function skillOf({ name, description, stages }: Pipeline): JsonObject {
  const names = stages.map((stage) => stage.name).join(", ");
  return {
    id: name,
    name,
    description: description ?? `Pipeline of ${stages.length} stages: ${names}`,
    tags: ["pipeline"],
  };
}
