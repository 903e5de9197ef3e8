// The README and the corpus name every event and every variable of what goes outbound.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { WEBHOOK_EVENTS } from "../../src/core/monitoring/webhook.ts";

describe("the documentation", () => {
  const root = join(import.meta.dirname, "../..");
  const text = (path: string) => readFileSync(join(root, path), "utf8");

  test("names every event and every variable", () => {
    for (const path of ["README.md", "fixtures/corpus/webhooks.md"]) {
      for (const event of WEBHOOK_EVENTS.split(", ")) expect(text(path), path).toContain(`\`${event}\``);
    }
    const variables = [
      ...["URL", "SECRET", "EVENTS"].map((name) => `AGENT_COORDINATOR_WEBHOOK_${name}`),
      ...["ENDPOINT", "HEADERS"].map((name) => `OTEL_EXPORTER_OTLP_${name}`),
    ];
    for (const name of variables) {
      expect(text("README.md")).toContain(name);
      const page = name.startsWith("OTEL") ? "exporting-traces" : "webhooks";
      expect(text(`fixtures/corpus/${page}.md`)).toContain(name);
    }
  });
});
