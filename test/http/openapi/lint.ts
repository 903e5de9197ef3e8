// `npm run check`: the OpenAPI document under @redocly/cli's recommended rules, offline.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ENDPOINTS } from "../../../src/http/endpoints.ts";
import { openApiText } from "../../../src/http/openapi/document.ts";

const folder = mkdtempSync(join(tmpdir(), "openapi-"));
const file = join(folder, "openapi.json");
writeFileSync(file, await openApiText(ENDPOINTS));
// By its file and not by its name, which on Windows is a script of cmd.
const redocly = fileURLToPath(import.meta.resolve("@redocly/cli/bin/cli.js"));
const { status } = spawnSync(
  process.execPath,
  [redocly, "lint", file, "--config", join(import.meta.dirname, "redocly.yaml"), "--format", "stylish"],
  {
    stdio: "inherit",
    env: { ...process.env, REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" },
  },
);
rmSync(folder, { recursive: true });
process.exitCode = status ?? 1;
