// The console as it is deployed: both Workers under wrangler with the page as their assets, and before them a line
// that can be cut and mended, as a laptop's lid does it.
import { connect, createServer } from "node:net";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { createTestHarness } from "wrangler";
import { CoordinatorClient } from "../../../src/client/index.ts";
import { onLoopback } from "./loopback.ts";

const ROOT = join(import.meta.dirname, "../../..");

export interface ConsoleStack {
  /** Where the page is, without a slash at its end. */
  url: string;
  /** Past the line that can be cut. */
  client: CoordinatorClient;
  /** Nobody gets through any more, and whoever was connected is not any longer. */
  cut(): void;
  mend(): void;
  close(): Promise<void>;
}

/** @param vars laid over AGENT_COORDINATOR_AUTH=none and the loopback hosts of `agents` */
export async function startConsole(
  agents: readonly { host: string }[] = [],
  vars: Record<string, string> = {},
  apiKey?: string,
): Promise<ConsoleStack> {
  const hosts = agents.map(({ host }) => host).join(",");
  const harness = createTestHarness({
    workers: [
      {
        configPath: join(ROOT, "wrangler.toml"),
        vars: { AGENT_COORDINATOR_AUTH: "none", AGENT_COORDINATOR_AGENT_HOSTS: hosts, ...vars },
      },
      { configPath: join(ROOT, "fixtures/agents/wrangler.toml") },
    ],
  });
  const { url } = await harness.listen();
  const line = await startLine(Number(url.port));
  const baseUrl = url.href.replace(/\/$/, "");
  return {
    url: line.url,
    client: new CoordinatorClient(apiKey === undefined ? { baseUrl } : { baseUrl, apiKey }),
    cut: line.cut,
    mend: line.mend,
    close: async () => {
      await line.close();
      await harness.close();
    },
  };
}

/** A line to a port of this machine that can be cut and mended. */
export async function startLine(port: number) {
  let isCut = false;
  const server = createServer((near) => {
    if (isCut) {
      near.resetAndDestroy();
      return;
    }
    const far = connect(port, "127.0.0.1");
    for (const socket of [near, far]) {
      socket.on("error", () => {});
      socket.on("close", () => {
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(far);
    far.pipe(near);
  });
  const { url, drop, close } = await onLoopback(server);
  return {
    url,
    cut: () => {
      isCut = true;
      drop();
    },
    mend: () => {
      isCut = false;
    },
    close,
  };
}

export interface Complaints {
  /** Errors of scripts, refusals by the Content-Security-Policy, and dialogs, in the order in which they came. */
  list: string[];
}

/** Hears everything that a page without faults does not say. */
export function complaintsOf(page: Page): Complaints {
  const list: string[] = [];
  page.on("pageerror", (error) => list.push(`error: ${error.message}`));
  page.on("dialog", (dialog) => {
    list.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("console", (message) => {
    if (message.type() === "error" && /Content Security Policy|Trusted/.test(message.text())) {
      list.push(`policy: ${message.text()}`);
    }
  });
  return { list };
}
