// Words, stems, sentences and passages: what every search and every quotation stands on.
import { describe, expect, test } from "vitest";
import { splitDocument } from "../../fixtures/agents/passages.ts";
import { sentences, stem, terms, words } from "../../fixtures/agents/text.ts";

describe("stems", () => {
  test.each([
    ["open", "opens", "opened", "opening"],
    ["retry", "retries", "retried"],
    ["decide", "decides", "decided", "deciding"],
    ["stop", "stopped", "stopping"],
    ["failure", "failures", "failing", "fail"],
    ["battery", "batteries"],
    ["normalise", "normalize", "normalisation"],
  ])("%s and its forms meet", (...forms) => {
    expect(new Set(forms.map(stem)).size).toBe(1);
  });

  test.each(["bus", "loss", "sgd", "429", "sun"])("%s stays as it is", (word) => {
    expect(stem(word)).toBe(word);
  });
});

test("identifiers fall into their parts, accents and apostrophes vanish, stop words go", () => {
  expect(words("The café's `stage_timeout_seconds`")).toEqual([
    "the",
    "cafe",
    "s",
    "stage",
    "timeout",
    "seconds",
  ]);
  expect(terms("What is the Retry-After of it?")).toEqual([stem("retry")]);
});

test("sentences end where they end, not at abbreviations, initials or numbers", () => {
  const text = "It waits 1.5 s, e.g. for Redis. `when` is CEL! J. Smith knows.\n\nA new block";
  expect(sentences(text)).toEqual([
    "It waits 1.5 s, e.g. for Redis.",
    "`when` is CEL!",
    "J. Smith knows.",
    "A new block",
  ]);
});

describe("passages", () => {
  test("a document is cut at its headings and loses its marks", () => {
    const text =
      "---\ndate: x\n---\n# The *Title*\n\nIntro with **bold** and [a link](http://x).\n\n## Part\n\n- one\n- two\n\n```sh\n# no heading\n```\n";
    expect(splitDocument({ path: "a/b.md", text })).toEqual([
      { document: "a/b.md", title: "The Title", heading: "The Title", text: "Intro with bold and a link." },
      { document: "a/b.md", title: "The Title", heading: "Part", text: "one\n\ntwo\n\n# no heading" },
    ]);
  });

  test("without a title the file's name serves, and a long section becomes several passages", () => {
    const paragraph = "word ".repeat(150).trim();
    const passages = splitDocument({
      path: "long-story.md",
      text: `${paragraph}\n\n${paragraph}`,
      url: "https://x.test",
    });
    expect(passages.map((p) => [p.title, p.text.length, p.url])).toEqual([
      ["Long story", paragraph.length, "https://x.test"],
      ["Long story", paragraph.length, "https://x.test"],
    ]);
  });

  test("an empty document has none", () => {
    expect(splitDocument({ path: "empty.md", text: "# Only a title\n" })).toEqual([]);
  });
});
