// `npm run check`: the OpenAPI document under @redocly/cli's recommended rules, offline.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openApiText } from "../../src/http/openapi.ts";

const folder = mkdtempSync(join(tmpdir(), "openapi-"));
const file = join(folder, "openapi.json");
writeFileSync(file, openApiText());
const { status } = spawnSync(
  "redocly",
  ["lint", file, "--config", join(import.meta.dirname, "redocly.yaml"), "--format", "stylish"],
  {
    stdio: "inherit",
    env: { ...process.env, REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" },
  },
);
rmSync(folder, { recursive: true });
process.exitCode = status ?? 1;
