// The streamed text of a run's messages: after any pieces and snapshots a reader has what is true.
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { wholeCharacters } from "../../../../../src/adapters/agents/answer.ts";
import { runMessages } from "../../../../../src/adapters/agents/protocols/ag-ui/messages.ts";

const id = fc.constantFrom("a", "b", "c");
const piece = fc.string({ unit: fc.constantFrom("x", "y", " ", "\ud83e", "\udd81", "🦀"), maxLength: 4 });
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ id, piece }) },
  { weight: 1, arbitrary: fc.array(fc.tuple(id, piece), { maxLength: 3 }) },
);

test("a reader has the text of all messages, in whole characters, after any appends and snapshots", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      let read = "";
      const reader = wholeCharacters({
        delta: (text, offset) => {
          read = read.slice(0, offset ?? read.length) + text;
        },
      });
      const messages = runMessages({ delta: reader.push });
      const model = new Map<string, string>();
      for (const one of steps) {
        if (Array.isArray(one)) {
          messages.replace(one);
          model.clear();
          for (const [name, text] of one) model.set(name, text);
        } else {
          messages.append(one.id, one.piece);
          if (one.piece !== "") model.set(one.id, (model.get(one.id) ?? "") + one.piece);
        }
      }
      reader.end();
      const expected = [...model.values()].filter((text) => text !== "").join("\n\n");
      expect(messages.text()).toBe(expected);
      expect(read).toBe(expected);
    }),
  );
});
