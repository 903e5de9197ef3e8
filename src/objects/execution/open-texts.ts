// Texts that are read from a run while they go out to a caller: until they are over the run stays in memory.
import { type Text, textOf } from "../../engine/watch/text-stream.ts";

export class OpenTexts {
  private open = 0;
  private readonly onOver: () => void;

  /** @param onOver called after each text */
  constructor(onOver: () => void) {
    this.onOver = onOver;
  }

  get isEmpty(): boolean {
    return this.open === 0;
  }

  textOf(pieces: Iterator<string>): Text {
    const text = textOf(pieces, () => {
      this.open -= 1;
      this.onOver();
    });
    if (typeof text !== "string") this.open += 1;
    return text;
  }
}
