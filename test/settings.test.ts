// Variables as they are read: the secrets of tokens, and the coordinator's own address.
import { describe, expect, test } from "vitest";
import { type Env, readSecrets, readSettings } from "../src/settings.ts";
import { entry } from "./core/security/api-keys.ts";

const OLD = "old: hunter2, and bytes enough";
const NEW = "new: hunter2, and bytes enough";

describe("the secrets of tokens", () => {
  const of = (vars: Record<string, unknown>) => {
    const read = readSecrets(vars as Env);
    return read.ok ? read.value.tokenSecrets : read.error;
  };
  const KEYS = JSON.stringify([entry("acme", "execute")]);
  const SECRET = "AGENT_COORDINATOR_TOKEN_SECRET";

  test("are the listed ones, else the text of the keys", () => {
    expect(of({ [SECRET]: OLD, AGENT_COORDINATOR_API_KEYS: KEYS })).toEqual([OLD]);
    expect(of({ [SECRET]: JSON.stringify([NEW, OLD]) })).toEqual([NEW, OLD]);
    // As JSON in wrangler.toml.
    expect(of({ [SECRET]: [NEW, OLD] })).toEqual([NEW, OLD]);
    expect(of({ AGENT_COORDINATOR_API_KEYS: KEYS })).toEqual([KEYS]);
  });

  test("are not known to everybody where keys are asked for and there are none", () => {
    for (const vars of [{}, { AGENT_COORDINATOR_API_KEYS: "[]" }]) {
      expect(of(vars)).toEqual([]);
      expect(of({ ...vars, AGENT_COORDINATOR_AUTH: "none" })).toEqual([""]);
    }
  });

  test("a bad one names its variable and no value", () => {
    expect(of({ [SECRET]: "hunter2" })).toEqual({
      variable: SECRET,
      expected:
        'at least 24 bytes, or a JSON array of one or two different texts of that length (["new","old"])',
    });
  });
});

describe("the public address", () => {
  const PUBLIC_URL = "AGENT_COORDINATOR_PUBLIC_URL";
  const of = (vars: Record<string, unknown>) => {
    const read = readSettings(vars as Env);
    return read.ok ? read.value : read.error;
  };

  test("is an origin, and one that may be called from its own pages", () => {
    expect(of({})).toMatchObject({ publicOrigin: null });
    expect(of({ [PUBLIC_URL]: "" })).toMatchObject({ publicOrigin: null });
    expect(of({ [PUBLIC_URL]: "https://Public.example.com:8443/" })).toMatchObject({
      publicOrigin: "https://public.example.com:8443",
      local: {
        hosts: new Set(["public.example.com"]),
        origins: new Set(["https://public.example.com:8443"]),
      },
    });
  });

  test("is in clear text only on loopback, or where no keys are asked for", () => {
    const [near, far] = ["http://localhost:8787", "http://dev.example.com:8787"];
    expect(of({ [PUBLIC_URL]: near })).toMatchObject({ publicOrigin: near });
    expect(of({ [PUBLIC_URL]: far, AGENT_COORDINATOR_AUTH: "none" })).toMatchObject({ publicOrigin: far });
    expect(of({ [PUBLIC_URL]: far })).toEqual({
      variable: PUBLIC_URL,
      expected: "an origin, https: (http: for loopback only), without user, path and query",
      logged: far,
    });
  });

  test.each([
    "public.example.com",
    "ftp://public.example.com",
    "https://u:hunter2@public.example.com",
    "https://public.example.com/?hunter2",
    "https://public.example.com/hunter2",
  ])("a bad one is named, and its value is not: %s", (value) => {
    const bad = of({ [PUBLIC_URL]: value });
    expect(bad).toMatchObject({ variable: PUBLIC_URL });
    expect(JSON.stringify(bad)).not.toMatch(/hunter2|shown/);
  });
});
