// Which requests a coordinator without keys serves: by the Host and the Origin of a request, and by its variables.
import { describe, expect, test } from "vitest";
import { type LocalRequest, localRefusal, readLocalAccess } from "../../../src/core/security/local-access.ts";

const NONE = { hosts: new Set<string>(), origins: new Set<string>() };
const LISTED = {
  hosts: new Set(["dev.example.com", "app.example.com"]),
  origins: new Set(["https://app.example.com"]),
};

const request = (changes: Partial<LocalRequest> = {}): LocalRequest => ({
  method: "GET",
  url: "http://localhost:8787/v1/executions",
  host: "localhost:8787",
  origin: null,
  site: null,
  ...changes,
});
const refusal = (changes: Partial<LocalRequest>, access = NONE) => localRefusal(request(changes), access);

describe("the host", () => {
  test.each([
    "localhost",
    "LOCALHOST:8787",
    "localhost.:80",
    "console.localhost:8787",
    "127.0.0.1:8787",
    "127.9.9.9",
    "0.0.0.0:8787",
    "192.168.1.20:8787",
    "8.8.8.8",
    "[::1]:8787",
    "[2606:4700::1]",
  ])("%s is served for every method", (host) => {
    for (const method of ["GET", "HEAD", "OPTIONS", "POST"]) expect(refusal({ host, method })).toBeNull();
  });

  test.each([
    "evil.example",
    "evil.example:8787",
    "localhost.evil.example",
    "evillocalhost",
    "127.0.0.1.nip.io",
    "127.0.0.1.evil.example:8787",
    "coordinator",
    "dev.example.com",
    "",
    "evil.example@localhost",
    "localhost/evil.example",
    "localhost#evil.example",
    "evil example",
  ])("%j is refused for every method", (host) => {
    for (const method of ["GET", "HEAD", "OPTIONS", "POST"]) {
      expect(refusal({ host, method })).toEqual({ host });
    }
  });

  test("a listed name is served, and no name below or above it", () => {
    for (const host of ["dev.example.com", "DEV.example.com:9000", "dev.example.com.", "app.example.com"]) {
      expect(refusal({ host }, LISTED)).toBeNull();
    }
    for (const host of ["x.dev.example.com", "example.com", "dev.example.com.evil.example"]) {
      expect(refusal({ host }, LISTED)).toEqual({ host });
    }
  });

  test("a call without one, through a service binding, is served", () => {
    expect(refusal({ host: null, url: "https://coordinator/v1/executions", method: "POST" })).toBeNull();
  });
});

describe("the origin", () => {
  const CHANGING = ["POST", "PUT", "PATCH", "DELETE", "QUERY"];

  test.each([
    ["localhost:8787", "http://localhost:8787"],
    ["LOCALHOST:8787", "http://localhost:8787"],
    ["127.0.0.1:80", "http://127.0.0.1"],
    ["[::1]:8787", "http://[::1]:8787"],
  ])("%s takes changes from its own page, %s", (host, origin) => {
    for (const method of CHANGING) expect(refusal({ host, origin, method })).toBeNull();
  });

  test.each([
    "https://evil.example",
    "null",
    "https://localhost:8787",
    "http://localhost",
    "http://localhost:8788",
    "http://127.0.0.1:8787",
    "http://localhost:8787.evil.example",
    "",
  ])("a page of %j changes nothing, and may read without being shown the answer", (origin) => {
    for (const method of CHANGING) expect(refusal({ origin, method })).toEqual({ origin });
    for (const method of ["GET", "HEAD", "OPTIONS"]) expect(refusal({ origin, method })).toBeNull();
  });

  test("a page of a listed origin may change things, as that of the public address may", () => {
    expect(refusal({ origin: "https://app.example.com", method: "POST" }, LISTED)).toBeNull();
    expect(refusal({ origin: "http://app.example.com", method: "POST" }, LISTED)).not.toBeNull();
  });

  test("a browser that sends none still says that the page is another site's", () => {
    for (const site of ["cross-site", "same-site"]) {
      expect(refusal({ site, method: "POST" })).toEqual({ origin: site });
      expect(refusal({ site, method: "GET" })).toBeNull();
    }
    for (const site of ["same-origin", "none"]) expect(refusal({ site, method: "DELETE" })).toBeNull();
    // A listed page is another site's, too.
    expect(
      refusal({ site: "cross-site", origin: "https://app.example.com", method: "POST" }, LISTED),
    ).toBeNull();
  });
});

describe("the variables", () => {
  const read = (vars: Record<string, string>, own: string | null = null, ...cors: string[]) =>
    readLocalAccess(vars, new Set(cors), own);

  test("names, the public address and the origins of pages all count", () => {
    const vars = { AGENT_COORDINATOR_HOSTS: "Dev.Example.com, coordinator, absolute.example." };
    expect(read(vars, "https://public.example.com:8443", "http://app.example.com:5173")).toEqual({
      ok: true,
      value: {
        hosts: new Set([
          "dev.example.com",
          "coordinator",
          "absolute.example",
          "app.example.com",
          "public.example.com",
        ]),
        origins: new Set(["http://app.example.com:5173", "https://public.example.com:8443"]),
      },
    });
    expect(read({})).toEqual({ ok: true, value: NONE });
  });

  test.each([
    ["AGENT_COORDINATOR_HOSTS", "https://dev.example.com"],
    ["AGENT_COORDINATOR_HOSTS", "dev.example.com:80"],
    ["AGENT_COORDINATOR_HOSTS", "*.example.com"],
    ["AGENT_COORDINATOR_HOSTS", "dev.example.com/x"],
    ["AGENT_COORDINATOR_HOSTS", "u:hunter2@dev.example.com"],
  ])("a bad %s is named, and its value is not: %s", (variable, value) => {
    const bad = read({ [variable]: value });
    expect(bad).toMatchObject({ ok: false, error: { variable } });
    expect(JSON.stringify(bad)).not.toMatch(/hunter2|shown/);
  });
});
