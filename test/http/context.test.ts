// What of a path is shown in logs and problem documents.
import { expect, test } from "vitest";
import { withoutToken } from "../../src/http/context.ts";

test.each([
  ["/respond/a.b.c", "/respond/***"],
  ["//respond//a.b.c", "//respond/***"],
  ["/respond/a.b.c/more", "/respond/***"],
  ["/v1/callbacks/a.b.c", "/v1/callbacks/***"],
  ["/v1/callbacks%2fa.b.c", "/v1/callbacks%2f***"],
  ["/v1/callbacks", "/v1/callbacks"],
  ["/v1/pipelines/respond/stages", "/v1/pipelines/respond/stages"],
])("%s is shown as %s", (path, shown) => {
  expect(withoutToken(path)).toBe(shown);
});
