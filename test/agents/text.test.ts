// Words, stems, sentences and passages: what every search and every quotation stands on.
import { describe, expect, test } from "vitest";
import { splitDocument } from "../../fixtures/agents/passages.ts";
import { joinSentences, sentences, stem, terms, words } from "../../fixtures/agents/text.ts";

describe("stems", () => {
  test.each([
    ["open", "opens", "opened", "opening"],
    ["retry", "retries", "retried"],
    ["decide", "decides", "decided", "deciding"],
    ["stop", "stopped", "stopping"],
    ["failure", "failures", "failing", "fail"],
    ["battery", "batteries"],
    ["register", "registers", "registered", "registering"],
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

test("code is a sentence as it is written, with the sentence that introduces it", () => {
  const code = '```python\ndef f(x):\n    return x[0]  # 1. First. Second\n\nf("a")\n```';
  expect(sentences(`One. It reads so:\n\n${code}\n\nThen more. And more.`)).toEqual([
    "One.",
    `It reads so:\n${code}`,
    "Then more.",
    "And more.",
  ]);
  expect(sentences(code)).toEqual([code]);
  expect(joinSentences(["One.", "Two.", code, "Three."])).toBe(`One. Two.\n${code}\nThree.`);
});

describe("passages", () => {
  test("code keeps its lines, blank ones and indents, and stays with its introduction", () => {
    const code = "```py\nif x:\n    y()\n\n# c\n```";
    const filler = `${"word ".repeat(215).trim()}.`;
    const text = `# T\n\n${filler}\n\nLike this:\n\n${code.replaceAll("```", "~~~")}\n\nAfter.\n`;
    expect(splitDocument({ path: "t.md", text }).map((passage) => passage.text)).toEqual([
      filler,
      `Like this:\n\n${code}\n\nAfter.`,
    ]);
  });

  test("code whose fence is never closed ends with the document", () => {
    expect(splitDocument({ path: "t.md", text: "# T\n\n```\n# a" })[0]?.text).toBe("```\n# a\n```");
  });

  test("a document is cut at its headings and loses its marks", () => {
    const text =
      "---\ndate: x\n---\n# The *Title*\n\nIntro with **bold** and [a link](http://x).\n\n## Part\n\n- one\n- two\n\n```sh\n# no heading\n```\n";
    expect(splitDocument({ path: "a/b.md", text })).toEqual([
      { document: "a/b.md", title: "The Title", heading: "The Title", text: "Intro with bold and a link." },
      {
        document: "a/b.md",
        title: "The Title",
        heading: "Part",
        text: "one\n\ntwo\n\n```sh\n# no heading\n```",
      },
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
