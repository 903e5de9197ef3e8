// The list of allowed origins.
import { expect, test } from "vitest";
import { parseOrigins } from "../../../src/core/security/origins.ts";

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
