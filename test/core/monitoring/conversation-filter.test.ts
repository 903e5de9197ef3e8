// The conversations that a shard may have, as another one knows them.
import { expect, test } from "vitest";
import { ConversationFilter } from "../../../src/core/monitoring/conversation-filter.ts";
import { conversationShard } from "../../../src/core/monitoring/shards.ts";

test("a filter finds each conversation that was added, of one shard too, and few others", () => {
  const all = Array.from({ length: 60_000 }, (_, at) => `conversation ${at}`).filter(
    (id) => conversationShard(id, 4) === 1,
  );
  const [known, others] = [all.slice(0, 5_000), all.slice(5_000)];
  const filter = ConversationFilter.of(known.length);
  for (const id of known) filter.add(id);
  const received = new ConversationFilter(filter.bits.slice());
  expect(known.every((id) => received.mayHave(id))).toBe(true);
  const found = others.filter((id) => received.mayHave(id)).length;
  expect(others.length).toBeGreaterThan(5_000);
  expect(found / others.length).toBeLessThan(0.02);
});
