// A task of an A2A agent as its messages show it: the state, what it reports, and its artifacts, of which the first one's
// text is streamed.
import { isObject } from "../../../../core/json/json.ts";
import type { AnswerHooks, AnswerRead } from "../../protocol.ts";
import { listOf, type Members, membersOf, present, wordOf } from "../members.ts";
import { answerOf, cutOff, refused } from "../outcomes.ts";

/** States in which nothing more comes by itself. */
const ENDS: ReadonlySet<string> = new Set([
  "TASK_STATE_COMPLETED",
  "TASK_STATE_FAILED",
  "TASK_STATE_CANCELED",
  "TASK_STATE_REJECTED",
  "TASK_STATE_INPUT_REQUIRED",
  "TASK_STATE_AUTH_REQUIRED",
]);

/** An artifact, or a message, as far as it has come. */
interface Content {
  parts: Members[];
  text: string;
}

export class TaskReader {
  /** Null before the agent has named its task. */
  id: string | null = null;
  private context: string | null = null;
  private state = "";
  private words = "";
  private readonly artifacts = new Map<string, Content>();
  /** A message in place of a task. */
  private message: Content | null = null;
  /** What the reader of the call has all of the text of. */
  private said: Content = contentOf({});
  private readonly hooks: AnswerHooks;

  constructor(hooks: AnswerHooks) {
    this.hooks = hooks;
  }

  /** Nothing more comes. */
  get isOver(): boolean {
    return this.message !== null || ENDS.has(this.state);
  }

  /** A result of the agent's: `{task}`, `{message}`, `{statusUpdate}`, `{artifactUpdate}`, or a task itself. */
  take(result: Members): void {
    if (isObject(result["message"])) this.message = contentOf(result["message"]);
    else if (isObject(result["statusUpdate"])) this.update(result["statusUpdate"]);
    else if (isObject(result["artifactUpdate"])) this.artifact(result["artifactUpdate"]);
    else this.whole(isObject(result["task"]) ? result["task"] : result);
    this.speak();
  }

  /** The task as it is now: of one that is taken up again, too. */
  private whole({ id, contextId, status, artifacts }: Members): void {
    this.identify(id, contextId);
    if (artifacts !== undefined) this.artifacts.clear();
    for (const artifact of listOf(artifacts).map(membersOf)) {
      this.artifacts.set(String(wordOf(artifact["artifactId"])), contentOf(artifact));
    }
    this.enter(membersOf(status));
  }

  private update({ taskId, contextId, status }: Members): void {
    this.identify(taskId, contextId);
    this.enter(membersOf(status));
  }

  private artifact({ artifact, append, taskId, contextId }: Members): void {
    this.identify(taskId, contextId);
    const own = membersOf(artifact);
    const id = String(wordOf(own["artifactId"]));
    const more = contentOf(own);
    const known = append === true ? this.artifacts.get(id) : undefined;
    if (known === undefined) return void this.artifacts.set(id, more);
    for (const part of more.parts) known.parts.push(part);
    known.text += more.text;
    // Not compared with what was said: of a long artifact that would cost more with each piece.
    if (known === this.said && more.text !== "") this.hooks.delta(more.text);
  }

  private identify(id: unknown, context: unknown): void {
    this.id = wordOf(id) ?? this.id;
    this.context = wordOf(context) ?? this.context;
  }

  private enter({ state, message }: Members): void {
    this.state = wordOf(state) ?? this.state;
    this.words = contentOf(membersOf(message)).text;
    if (this.words !== "" && !this.isOver) this.hooks.progress({ message: this.words });
  }

  /** The first artifact's text, as far as it is not said yet. */
  private speak(): void {
    const [first = contentOf({})] = this.artifacts.values();
    const content = this.message ?? first;
    if (content === this.said) return;
    const { text } = content;
    const said = this.said.text;
    this.said = content;
    if (text === said) return;
    if (text.startsWith(said)) this.hooks.delta(text.slice(said.length));
    else this.hooks.delta(text, 0);
  }

  /** What has come of it. */
  outcome(): AnswerRead {
    if (this.message !== null) return taskAnswer([this.message], "");
    const words = this.words === "" ? "it says no more" : this.words;
    switch (this.state) {
      case "TASK_STATE_COMPLETED":
        return taskAnswer([...this.artifacts.values()], this.words);
      case "TASK_STATE_FAILED":
        return refused(500, `the task failed: ${words}`);
      case "TASK_STATE_REJECTED":
        return refused(422, `the task was rejected: ${words}`, false);
      case "TASK_STATE_CANCELED":
        return refused(422, `the task was canceled: ${words}`, false);
      case "TASK_STATE_AUTH_REQUIRED":
        return refused(422, `the task needs authorization: ${words}`, false);
      case "TASK_STATE_INPUT_REQUIRED": {
        const continuation = { task_id: this.id, context_id: this.context };
        return { ok: "asks", prompt: { question: words }, schema: null, continuation };
      }
      default:
        return cutOff("the task's stream ended before the task");
    }
  }
}

function contentOf(holder: Members): Content {
  const parts = listOf(holder["parts"]).map(membersOf);
  return { parts, text: parts.map(({ text }) => (typeof text === "string" ? text : "")).join("") };
}

/** Texts are the answer, objects the data, files and links citations. */
function taskAnswer(artifacts: readonly Content[], words: string): AnswerRead {
  const texts = artifacts.map(({ text }) => text).filter((text) => text !== "");
  const answer = texts.length === 0 ? words : texts.join("\n\n");
  const parts = artifacts.flatMap((artifact) => artifact.parts);
  const citations = parts.flatMap(({ url, filename, mediaType }) =>
    wordOf(url) === null
      ? []
      : [present({ url: wordOf(url), title: wordOf(filename), media_type: wordOf(mediaType) })],
  );
  const data = {
    ...(answer === "" ? {} : { answer }),
    ...(citations.length === 0 ? {} : { citations }),
  };
  for (const part of parts) Object.assign(data, membersOf(part["data"]));
  return answerOf("task", data, 200);
}
