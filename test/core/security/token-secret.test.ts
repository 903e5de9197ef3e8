// The secrets of tokens: one text or a list, and that a bad one is not shown.
import { describe, expect, test } from "vitest";
import { keyIdText, keyText, parseTokenSecrets } from "../../../src/core/security/token-secret.ts";

const OLD = "old: hunter2, and bytes enough";
const NEW = "new: hunter2, and bytes enough";

describe("token secrets", () => {
  test.each<[string, readonly string[]]>([
    [OLD, [OLD]],
    ["é".repeat(12), ["é".repeat(12)]],
    ["[a text with brackets, no list]", ["[a text with brackets, no list]"]],
    [`{"a":"${OLD}"}`, [`{"a":"${OLD}"}`]],
    ["123456789012345678901234", ["123456789012345678901234"]],
    [JSON.stringify([OLD]), [OLD]],
    [JSON.stringify([NEW, OLD]), [NEW, OLD]],
    [` [ "${NEW}",\n"${OLD}" ] `, [NEW, OLD]],
  ])("%j", (text, secrets) => {
    expect(parseTokenSecrets(text)).toEqual({ ok: true, value: secrets });
  });

  test.each([
    "hunter2-of-23-bytes-xxx",
    "é".repeat(11),
    "[]",
    "[                                ]",
    JSON.stringify([NEW, OLD, `${OLD}!`]),
    JSON.stringify([NEW, "hunter2"]),
    JSON.stringify([OLD, OLD]),
    JSON.stringify([NEW, 1]),
    JSON.stringify([[NEW, OLD]]),
    // A list with a mistake in it, which as one secret would end every token in use.
    `["${NEW}","${OLD}"`,
    `["${NEW}" "${OLD}"]`,
    `["${NEW}","${OLD}",]`,
  ])("a bad one is refused, and not shown: %j", (text) => {
    const bad = parseTokenSecrets(text);
    expect(bad).toMatchObject({
      ok: false,
      error: expect.stringMatching(/24 bytes.*JSON array of one or two/),
    });
    expect(JSON.stringify(bad)).not.toContain("hunter2");
  });

  test("what is hashed for a key's id is not what is hashed for the key", () => {
    expect(keyIdText(OLD)).not.toBe(keyText(OLD));
    expect(keyIdText(OLD)).not.toBe(keyIdText(NEW));
  });
});
