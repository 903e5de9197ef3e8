// A folder of Markdown for the agents to search: read once, and served on loopback as the JSON array of
// {path, text} that CORPUS_URL refers to.
import { randomUUID } from "node:crypto";
import { glob, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join, sep } from "node:path";

export interface MarkdownFile {
  /** Below the folder, with forward slashes. */
  path: string;
  text: string;
}

/** Every Markdown file of a folder and those below it, hidden folders and node_modules left out. */
export async function readMarkdown(folder: string): Promise<MarkdownFile[]> {
  const paths: string[] = [];
  const hidden = (name: string) => name === "node_modules" || (name.startsWith(".") && name !== ".");
  const skip = (path: string) => path.split(sep).some(hidden);
  for await (const path of glob("**/*.{md,markdown}", { cwd: folder, exclude: skip })) paths.push(path);
  paths.sort();
  return Promise.all(
    paths.map(async (path) => ({
      path: path.replaceAll(sep, "/"),
      text: await readFile(join(folder, path), "utf8"),
    })),
  );
}

/** Serves the files at an address that cannot be guessed, until it is closed. */
export async function serveMarkdown(files: readonly MarkdownFile[]) {
  const path = `/${randomUUID()}`;
  const body = JSON.stringify(files);
  const server = createServer((request, response) => {
    if (request.url === path) response.writeHead(200, { "content-type": "application/json" }).end(body);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}${path}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
