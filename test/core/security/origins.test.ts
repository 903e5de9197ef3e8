// The list of allowed origins, and the coordinator's own.
import { expect, test } from "vitest";
import { parseOrigins, parsePublicOrigin } from "../../../src/core/security/origins.ts";

test("origins are exact", () => {
  expect(parseOrigins("https://app.example.com, http://localhost:5173")).toEqual({
    ok: true,
    value: new Set(["https://app.example.com", "http://localhost:5173"]),
  });
  for (const wrong of [
    "*",
    "https://app.example.com/",
    "app.example.com",
    "https://*.example.com/x",
    "null",
  ]) {
    expect(parseOrigins(`https://fine.example.com,${wrong}`)).toEqual({ ok: false, error: wrong });
  }
});

test.each([
  ["https://Public.example.com:8443/", "https://public.example.com:8443"],
  ["HTTPS://public.example.com:443", "https://public.example.com"],
  ["http://localhost:8787", "http://localhost:8787"],
  ["http://127.0.0.1:8787/", "http://127.0.0.1:8787"],
  ["http://[::1]:8787", "http://[::1]:8787"],
])("a public origin: %s", (text, origin) => {
  for (const takesHttp of [true, false]) expect(parsePublicOrigin(text, takesHttp)).toBe(origin);
});

test("http: beyond loopback is for those who ask for no keys", () => {
  for (const origin of ["http://dev.example.com:8787", "http://192.168.1.20:8787"]) {
    expect(parsePublicOrigin(origin, true)).toBe(origin);
    expect(parsePublicOrigin(origin, false)).toBeNull();
  }
});

test.each([
  "public.example.com",
  "//public.example.com",
  "https:public.example.com",
  "https:///public.example.com",
  "https://",
  "ftp://public.example.com",
  "wss://public.example.com",
  "https://u:p@public.example.com",
  "https://@public.example.com",
  "https://public.example.com/v1",
  "https://public.example.com//",
  "https://public.example.com?",
  "https://public.example.com/?a=b",
  "https://public.example.com/#",
  "https://public.example.com\\x",
  "https://public.example.com:0x1",
  " https://public.example.com",
  "null",
])("no public origin: %j", (text) => {
  for (const takesHttp of [true, false]) expect(parsePublicOrigin(text, takesHttp)).toBeNull();
});
