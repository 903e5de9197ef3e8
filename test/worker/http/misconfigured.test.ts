// Variables that cannot be used, in real workerd: the first request is refused, to callers without a key too, with the
// variable's name and what was expected. A value is shown where it is a number or a switch; an address, a list of
// addresses and a secret are not, and the log gets an address without its user, password, path and query.
import { describe, expect, test } from "vitest";
import { startCoordinator } from "../../support/servers/coordinator.ts";
import { callWith, KEYED } from "../../support/clients/keys.ts";

/** In the user, the password, the path and the query of every address below. */
const SECRET = "hunter2";
const WEBHOOK = { AGENT_COORDINATOR_WEBHOOK_URL: "https://hooks.example.com/x" };

/** The answer to a caller without a key, and what the log holds once it names the variable. */
async function refusal(vars: Record<string, string>, variable: string) {
  const bad = await startCoordinator([], { ...KEYED, ...vars });
  try {
    const answers = await Promise.all(
      ["/healthz", "/v1/config", "/v1/executions/x/events?token=a.1.b"].map((path) =>
        callWith(bad, null, "GET", path),
      ),
    );
    for (const { status, body } of answers) {
      expect(status).toBe(500);
      expect(body.code).toBe("INTERNAL_ERROR");
      expect(body.detail).toContain(variable);
    }
    // The line may come after the answer.
    await expect.poll(() => bad.output(), { timeout: 5_000 }).toContain(variable);
    return { text: JSON.stringify(answers), detail: answers[0]?.body.detail as string, log: bad.output() };
  } finally {
    await bad.close();
  }
}

test.each([
  ["AGENT_COORDINATOR_MAX_CONCURRENT", "seven"],
  ["AGENT_COORDINATOR_STAGE_TIMEOUT", "-1"],
  ["AGENT_COORDINATOR_CACHING", "maybe"],
  ["AGENT_COORDINATOR_ENABLED", "perhaps"],
  ["AGENT_COORDINATOR_AUTH", "open"],
  ["AGENT_COORDINATOR_RATE_LIMIT", "60"],
])("a bad %s is shown: it is a number or a switch", async (variable, value) => {
  const { detail, log } = await refusal({ [variable]: value }, variable);
  expect(detail).toContain(JSON.stringify(value));
  expect(log).toContain(`"value":${JSON.stringify(value)}`);
});

describe("a value that may be an address or a secret is not shown", () => {
  test.each<[Record<string, string>, string, string | null]>([
    [
      {
        UPSTASH_REDIS_REST_URL: `rediss://default:${SECRET}@redis.example.com:6379/${SECRET}`,
        UPSTASH_REDIS_REST_TOKEN: SECRET,
      },
      "UPSTASH_REDIS_REST_URL",
      "rediss://redis.example.com:6379",
    ],
    [
      { UPSTASH_REDIS_REST_URL: `default:${SECRET}@redis.example.com`, UPSTASH_REDIS_REST_TOKEN: SECRET },
      "UPSTASH_REDIS_REST_URL",
      null,
    ],
    [{ UPSTASH_REDIS_REST_URL: `https://${SECRET}.example.com` }, "UPSTASH_REDIS_REST_TOKEN", null],
    [{ UPSTASH_REDIS_REST_TOKEN: SECRET }, "UPSTASH_REDIS_REST_URL", null],
    [
      { AGENT_COORDINATOR_WEBHOOK_URL: `ftp://${SECRET}:${SECRET}@hooks.example.com/${SECRET}` },
      "AGENT_COORDINATOR_WEBHOOK_URL",
      "ftp://hooks.example.com",
    ],
    [{ AGENT_COORDINATOR_WEBHOOK_URL: `hooks.example.com/${SECRET}` }, "AGENT_COORDINATOR_WEBHOOK_URL", null],
    [
      { ...WEBHOOK, AGENT_COORDINATOR_WEBHOOK_SECRET: `whsec_${SECRET}` },
      "AGENT_COORDINATOR_WEBHOOK_SECRET",
      null,
    ],
    [WEBHOOK, "AGENT_COORDINATOR_WEBHOOK_SECRET", null],
    [
      {
        ...WEBHOOK,
        AGENT_COORDINATOR_WEBHOOK_SECRET: `whsec_${btoa("a".repeat(24))}`,
        AGENT_COORDINATOR_WEBHOOK_EVENTS: `alert.firing,${SECRET}`,
      },
      "AGENT_COORDINATOR_WEBHOOK_EVENTS",
      null,
    ],
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: `grpc://${SECRET}@collector.example.com:4317?key=${SECRET}` },
      "OTEL_EXPORTER_OTLP_ENDPOINT",
      "grpc://collector.example.com:4317",
    ],
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: `collector.example.com:4318/${SECRET}` },
      "OTEL_EXPORTER_OTLP_ENDPOINT",
      null,
    ],
    [
      {
        OTEL_EXPORTER_OTLP_ENDPOINT: "https://collector.example.com",
        OTEL_EXPORTER_OTLP_HEADERS: `a b=${SECRET}`,
      },
      "OTEL_EXPORTER_OTLP_HEADERS",
      null,
    ],
    [
      { AGENT_COORDINATOR_AGENT_HOSTS: `fine.example.com,https://u:${SECRET}@agents.example.com/x` },
      "AGENT_COORDINATOR_AGENT_HOSTS",
      "https://agents.example.com",
    ],
    [
      { AGENT_COORDINATOR_AGENT_HOSTS: `u:${SECRET}@agents.example.com` },
      "AGENT_COORDINATOR_AGENT_HOSTS",
      null,
    ],
    [
      { AGENT_COORDINATOR_CORS_ORIGINS: `https://app.example.com,https://u:${SECRET}@app.example.com` },
      "AGENT_COORDINATOR_CORS_ORIGINS",
      "https://app.example.com",
    ],
    [{ AGENT_COORDINATOR_API_KEYS: `[{"${SECRET}":1}]` }, "AGENT_COORDINATOR_API_KEYS", null],
    [{ AGENT_COORDINATOR_API_KEYS: SECRET }, "AGENT_COORDINATOR_API_KEYS", null],
    [{ AGENT_COORDINATOR_TOKEN_SECRET: `${SECRET}-of-22-bytes-xx` }, "AGENT_COORDINATOR_TOKEN_SECRET", null],
    [{ AGENT_COORDINATOR_TOKEN_SECRET: `["${SECRET}","${SECRET}"` }, "AGENT_COORDINATOR_TOKEN_SECRET", null],
    [{ AGENT_COORDINATOR_HOSTS: `fine.example.com,u:${SECRET}@x` }, "AGENT_COORDINATOR_HOSTS", null],
    [
      { AGENT_COORDINATOR_PUBLIC_URL: `https://u:${SECRET}@coordinator.example.com` },
      "AGENT_COORDINATOR_PUBLIC_URL",
      "https://coordinator.example.com",
    ],
    // Something else put where a number belongs.
    [
      { AGENT_COORDINATOR_MAX_CONCURRENT: `https://u:${SECRET}@x.example` },
      "AGENT_COORDINATOR_MAX_CONCURRENT",
      null,
    ],
    [{ AGENT_COORDINATOR_RATE_LIMIT: `https://u:${SECRET}@x.example` }, "AGENT_COORDINATOR_RATE_LIMIT", null],
  ])("%j", async (vars, variable, logged) => {
    const { text, log } = await refusal(vars, variable);
    expect(text).not.toContain(SECRET);
    expect(text).not.toContain("example.com/");
    expect(log).not.toContain(SECRET);
    if (logged === null) expect(log).not.toContain('"value"');
    else expect(log).toContain(`"value":${JSON.stringify(logged)}`);
  });
});

test("an entry of a list that cannot be used is named by its place", async () => {
  const variable = "AGENT_COORDINATOR_CORS_ORIGINS";
  const { detail } = await refusal({ [variable]: "https://app.example.com, *" }, variable);
  expect(detail).toContain("exact origins (https://app.example.com), comma-separated (entry 2 is not one)");
});
