// The bundled corpus: its list equals its folder, and its documents are what a corpus should be made of.
import { expect, test } from "vitest";
import { corpusDocuments, readCorpusFile } from "./support.ts";

test("documents.ts lists exactly the folder's documents", () => {
  const list = readCorpusFile("documents.ts");
  const imported = [...list.matchAll(/^import (\w+) from "\.\/(.+\.md)";$/gm)].map((m) => `${m[2]} ${m[1]}`);
  const listed = [...list.matchAll(/\{ path: "(.+\.md)", text: (\w+) \}/g)].map((m) => `${m[1]} ${m[2]}`);
  expect(listed).toEqual(imported);
  expect(listed.map((line) => line.split(" ")[0])).toEqual(corpusDocuments.map((document) => document.path));
});

test("there are 26 or more, each with one title, sections, and 250 to 600 words", () => {
  expect(corpusDocuments.length).toBeGreaterThanOrEqual(26);
  for (const { path, text } of corpusDocuments) {
    expect(text.match(/^# /gm), path).toHaveLength(1);
    expect(text.match(/^## /gm)?.length, path).toBeGreaterThanOrEqual(2);
    const count = text.split(/\s+/).length;
    expect(count, path).toBeGreaterThanOrEqual(250);
    expect(count, path).toBeLessThanOrEqual(600);
  }
});
