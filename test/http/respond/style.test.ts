// The hash that lets the style through the page's policy, and the contrast of its colours.
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { STYLE, STYLE_HASH } from "../../../src/http/respond/style.ts";

test("the hash is the style's", () => {
  expect(STYLE_HASH).toBe(createHash("sha256").update(STYLE).digest("base64"));
});

/** The colours by name: those of light first, then those that dark sets in their place. */
function colours(scheme: "light" | "dark"): Record<string, string> {
  const [light = "", dark = ""] = [...STYLE.matchAll(/:root\{([^}]*)\}/g)].map(([, body]) => body);
  const set = (body: string) =>
    Object.fromEntries([...body.matchAll(/--(\w+):(#\w+)/g)].map(([, name, value]) => [name, value]));
  return { ...set(light), ...(scheme === "dark" ? set(dark) : {}) };
}

/** As WCAG 2.2 defines it. */
function contrast(a: string, b: string): number {
  const [bright = 0, dim = 0] = [luminance(a), luminance(b)].toSorted((one, other) => other - one);
  return (bright + 0.05) / (dim + 0.05);
}

function luminance(colour: string): number {
  const digits = colour.slice(1);
  const pairs = digits.match(digits.length === 3 ? /./g : /../g) ?? [];
  const [red = 0, green = 0, blue = 0] = pairs.map((pair) => {
    const part = Number.parseInt(pair.padStart(2, pair), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

describe.each(["light", "dark"] as const)("in %s", (scheme) => {
  const all = colours(scheme);

  test.each([
    ["ink", "bg", 4.5],
    ["ink", "card", 4.5],
    ["muted", "bg", 4.5],
    ["muted", "card", 4.5],
    ["accent", "bg", 4.5],
    ["accent", "card", 4.5],
    ["bad", "card", 4.5],
    ["on", "accent", 4.5],
    ["edge", "card", 3],
  ])("%s on %s has a contrast of %d", (front, back, least) => {
    expect(contrast(all[front] ?? "", all[back] ?? "")).toBeGreaterThanOrEqual(least);
  });
});
