// A live picture at the end of a terminal, drawn over itself. Owns the cursor: it is hidden while the picture lives
// and comes back however the process ends.
import { styleText } from "node:util";
import { foldEvent, type RunView } from "../../client/index.ts";
import { endingOf } from "./ending.ts";
import type { Output } from "./output.ts";
import { endLines, type Paint, spinner, runViewLines, type View } from "./screen.ts";
import { clip, duration } from "./text.ts";

const FRAME_MS = 40;
const HIDE = "\u001b[?25l";
const SHOW = "\u001b[?25h";
// Without it a line with wide characters would take two rows, and the next picture would be drawn a row too low.
const NO_WRAP = "\u001b[?7l";
const WRAP = "\u001b[?7h";
const CLEAR_LINE = "\u001b[K";
const CLEAR_BELOW = "\u001b[J";

export function liveOutput(out: NodeJS.WriteStream): Output {
  const paint: Paint = (style, text) => styleText(style, text, { stream: out });
  const view = (): View => ({
    columns: out.columns,
    now: Date.now(),
    paint,
    ...(url === undefined ? {} : { url }),
  });
  let url: string | undefined;
  let runView: RunView | null = null;
  let rows = 0;
  let picture: () => string[] = () => [];

  const draw = (lines: readonly string[]): void => {
    const up = rows > 0 ? `\u001b[${rows}A` : "";
    out.write(`\r${up}${lines.map((line) => `${line}${CLEAR_LINE}\n`).join("")}${CLEAR_BELOW}`);
    rows = lines.length;
  };
  // A picture higher than the terminal could not be drawn over: its end is what matters while it grows.
  const refresh = () => draw(picture().slice(-(out.rows - 1)));
  const restore = () => {
    out.write(`${WRAP}${SHOW}`);
  };
  out.write(`${HIDE}${NO_WRAP}`);
  process.on("exit", restore);
  const timer = setInterval(refresh, FRAME_MS);

  const settle = (lines: readonly string[]): void => {
    draw(lines);
    rows = 0;
    picture = () => [];
  };

  const running = () => runViewLines(runView, view());

  return {
    starting: (question) => {
      settle(["", `  ${paint("bold", clip(question, out.columns - 4))}`, ""]);
      const note = paint("dim", "starting the coordinator and the agents");
      picture = () => [`  ${paint("cyan", spinner(Date.now()))} ${note}`];
      // Loading what comes next blocks the timer for a while.
      refresh();
    },
    started: (ms, at) => {
      url = at;
      settle([paint("dim", `  coordinator and agents started in ${duration(ms)}`), ""]);
      picture = running;
    },
    queued: (question) => {
      settle([paint("dim", clip(`  queued: ${question}`, out.columns))]);
      picture = running;
    },
    next: (question) => {
      runView = null;
      settle(["", `  ${paint("bold", clip(question, out.columns - 4))}`, ""]);
      picture = running;
    },
    event: (event) => {
      runView = foldEvent(runView, event);
    },
    ended: (execution) => {
      const { answer, sources } = endingOf(execution);
      settle(endLines(answer === null ? runView : withAnswer(runView, answer), execution, sources, view()));
    },
    failed: (message) => {
      settle([...picture(), "", ...message.split("\n").map((line) => `  ${paint("red", line)}`), ""]);
    },
    close: () => {
      clearInterval(timer);
      process.off("exit", restore);
      restore();
    },
  };
}

/** The view with the answer of the execution's end, which may be another than the text that was streamed. */
function withAnswer(runView: RunView | null, text: string): RunView | null {
  return runView && { ...runView, answer: { stage: "", attempt: 0, ...runView.answer, text } };
}
