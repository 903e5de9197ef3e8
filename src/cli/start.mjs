// Starts a command of package.json, the same way in cmd, PowerShell and sh:
//
//   node src/cli/start.mjs [NAME=value …] [PROGRAM [argument …]]
//
// PROGRAM is a .ts file of this project or the command of an installed package; without one only Node is checked.
// This file must be readable by the Node versions that it refuses: no TypeScript, no static import, no newer syntax.

/** The first version that runs .ts files without a flag; `engines` in package.json says the same. */
const NEEDED = { major: 22, minor: 18 };
/** How often the shell that npm started is looked for, in ms. */
const PARENT_CHECK_MS = 250;

const version = process.versions.node;
const [major, minor] = version.split(".").map(Number);
if (major < NEEDED.major || (major === NEEDED.major && minor < NEEDED.minor)) {
  console.error(
    `Agent Coordinator needs Node ${NEEDED.major}.${NEEDED.minor}, this is ${version}. Install a newer one: https://nodejs.org`,
  );
  process.exitCode = 1;
} else {
  void start(process.argv.slice(2));
}

async function start(words) {
  const path = await import("node:path");
  const { existsSync } = await import("node:fs");
  const { fileURLToPath, pathToFileURL } = await import("node:url");
  const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "../..");
  if (!existsSync(path.join(root, "node_modules"))) {
    console.error("The project's packages are not installed: run `npm ci` first.");
    process.exitCode = 1;
    return;
  }
  const isVariable = /^([A-Za-z_]\w*)=(.*)$/s;
  let at = 0;
  for (let found; (found = isVariable.exec(words[at] || "")); at += 1) process.env[found[1]] = found[2];
  const program = words[at];
  if (program === undefined) return;
  const file = program.endsWith(".ts") ? path.resolve(root, program) : await commandFile(root, program);
  endWithShell();
  // The program reads its arguments where it would find them had Node been called with it.
  process.argv = [process.argv[0], file, ...words.slice(at + 1)];
  await import(pathToFileURL(file).href);
}

/** The file of an installed package's command; on Windows those in node_modules/.bin are scripts of cmd. */
async function commandFile(root, name) {
  const path = await import("node:path");
  const { readFileSync } = await import("node:fs");
  const folder = path.join(root, "node_modules", name);
  const { bin } = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
  return path.join(folder, typeof bin === "string" ? bin : bin[name]);
}

/**
 * Ends this process when the shell between npm and it ends: npm hands a signal to that shell alone, and sh dies of it
 * without its child. (`exec` would do, but cmd has none.) On Windows a process's parent never changes.
 */
function endWithShell() {
  if (process.env.npm_lifecycle_event === undefined) return;
  const shell = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === shell) return;
    clearInterval(timer);
    process.kill(process.pid, "SIGTERM");
  }, PARENT_CHECK_MS);
  timer.unref();
}
