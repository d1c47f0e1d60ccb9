// Writes texts down with the transforms of a checkout of P4RS3LT0NGV3, a tool for writing prompts
// past filters by people who do not know titer. It is AGPL-3.0: it is run here, nothing of it is kept.
//
//     node evals/leaks/transforms.cjs CHECKOUT < texts.json > written.jsonl
//
// In: a JSON list of texts. Out: a line {kind, name, at, written} for each transform and text.
// Kept is what a reader gets back: the transform's own `reverse` gives at least 80 % of the letters
// of nine texts in ten, in order, whatever their case. What gives back more than it was asked to
// change (case alone) is kept too. `Math.random` is seeded.
"use strict";
const path = require("path");
const fs = require("fs");

let seed = 20261129;
Math.random = () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 4294967296;
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

console.log = console.warn = console.error = () => {};
const transforms = require(path.join(process.argv[2], "src/transformers/loader-node.js"));
const texts = JSON.parse(fs.readFileSync(0, "utf8"));
const out = [];
for (const one of Object.values(transforms.transforms || transforms)) {
  if (!one || typeof one.func !== "function" || typeof one.reverse !== "function") continue;
  if (one.canDecode === false) continue;
  const written = [];
  let good = 0;
  for (const text of texts) {
    let made = "";
    try {
      made = String(one.func(text));
      const back = String(one.reverse(made));
      good += kept(letters(text), letters(back)) >= 0.8;
    } catch {
      made = "";
    }
    written.push(made);
  }
  if (good < 0.9 * texts.length) continue;
  written.forEach((made, at) =>
    out.push(JSON.stringify({ kind: one.category || "", name: one.name, at, written: made })));
}
process.stdout.write(out.join("\n") + "\n");
