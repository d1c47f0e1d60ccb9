// Writes texts down with the operations of CyberChef (Crown copyright, Apache-2.0), as a reader of
// its menu would: by their own defaults, and a short key where one is asked for.
//
//     cd CHECKOUT && node --no-warnings .../cyberchef.mjs < texts.json > written.jsonl
//
// CHECKOUT is a folder with `npm install cyberchef`. In: a JSON list of texts. Out: a line
// {tool, name, at, written} for each operation and text. Taken are all operations with an inverse
// (`to..` and `from..`, `..Encode` and `..Decode`, or the same one twice); kept are those that
// give text (no control characters) from which the inverse gives at least 80 % of the letters back
// in order, of nine texts in ten. Encryption, compression and hashes are not taken: nobody writes
// or reads them without a machine.
import fs from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const resolve = createRequire(pathToFileURL(`${process.cwd()}/`)).resolve;
const entry = resolve("cyberchef").replace("wrapper.js", "index.mjs");
const chef = (await import(pathToFileURL(entry))).default;

// Where the default is no cipher at all: a key as people choose them.
const KEYS = {
  vigen\u00e8reEncode: ["castle"],
  vigen\u00e8reDecode: ["castle"],
  bifidCipherEncode: ["castle"],
  bifidCipherDecode: ["castle"],
  affineCipherEncode: [5, 8],
  affineCipherDecode: [5, 8],
  railFenceCipherEncode: [4, 0],
  railFenceCipherDecode: [4, 0],
};

const letters = (text) => (text.normalize("NFKD").toLowerCase().match(/[a-z]/g) || []).join("");

// The share of `wanted`'s letters that `got` has in order (greedy, within 40 letters).
function kept(wanted, got) {
  let at = 0;
  let same = 0;
  for (const letter of wanted) {
    const found = got.indexOf(letter, at);
    if (found >= 0 && found - at < 40) {
      at = found + 1;
      same += 1;
    }
  }
  return wanted.length ? same / wanted.length : 0;
}

function inverse(name) {
  const other = name.startsWith("to") ? `from${name.slice(2)}` : name.replace(/Encode$/, "Decode");
  if (other !== name && chef[other]) return other;
  // These are their own inverse, or change nothing but looks.
  return /^(to[A-Z]|add|alternating|atbash|convert[LT]|escape|pad|reverse|ROT|swap|wrap)/.test(name)
    ? name
    : null;
}

// An operation that throws out of turn or never answers is none that writes texts.
for (const what of ["uncaughtException", "unhandledRejection"]) {
  process.removeAllListeners(what).on(what, () => {});
}
const late = () => new Promise((_, no) => setTimeout(no, 2000).unref());
const ask = async (name, text) =>
  String(await Promise.race([chef[name](text, KEYS[name]), late()]));
const texts = JSON.parse(fs.readFileSync(0, "utf8"));
console.log = console.warn = console.error = () => {};
for (const name of Object.keys(chef).sort()) {
  const back = inverse(name);
  if (typeof chef[name] !== "function" || back === null) continue;
  const written = [];
  let good = 0;
  for (const [at, text] of texts.entries()) {
    let made = "";
    try {
      made = await ask(name, text);
      // eslint-disable-next-line no-control-regex
      const plain = made !== text && !/[\u0000-\u0008\u000e-\u001f\u007f-\u009f]/.test(made);
      good += plain && kept(letters(text), letters(await ask(back, made))) >= 0.8;
    } catch {
      made = "";
    }
    written.push(JSON.stringify({ tool: "CyberChef", name, at, written: made }));
    if (at - good >= 3 + texts.length / 20) break;
  }
  if (good >= 0.9 * texts.length) process.stdout.write(`${written.join("\n")}\n`);
}
process.exit(0);
