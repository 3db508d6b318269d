/** Running percentiles and counts, as the agent counts them. */
import { duration, el } from "./dom.js";

const PERCENTILES = [
  ["v2v_ms", "Voice to voice", "from your last sound to its first"],
  ["post_commit_ms", "After the decision", "words, reply and voice"],
  ["eot_ms", "To the decision", "is the turn over?"],
];

const COUNTS = [
  ["false_interruptions", "False interruptions", "it spoke before your turn was over"],
  ["interruptions", "Interruptions", "you stopped it"],
  ["barge_ins", "Barge-ins", "you spoke while it spoke"],
  ["false_barge_ins", "False barge-ins", "a noise or an “mm-hm” stopped it"],
  ["take_backs", "Take-backs", "decided too early, undone unheard"],
  ["resumes", "Resumes", "went on after a false stop"],
];

function tile([key, name, hint], stats) {
  const { p50 = null, p90 = null } = stats?.[key] ?? {};
  return el(
    "div.tile", { "data-key": key },
    el("p.tile-name", { title: hint }, name),
    el("p.tile-p50", {}, el("span", {}, "P50 "), duration(p50)),
    el("p.tile-p90", {}, el("span", {}, "P90 "), duration(p90)),
  );
}

function count(name, value, hint) {
  return el("div", {}, el("dt", { title: hint }, name), el("dd", {}, String(value)));
}

/** Show the last `stats` message (null before the first one). */
export function showStats(root, caption, stats) {
  const counts = stats?.counts ?? {};
  const n = stats?.turns ?? 0;
  caption.textContent = `${n} ${n === 1 ? "turn" : "turns"}`;
  const list = el("dl.counts");
  for (const [key, name, hint] of COUNTS) list.append(count(name, counts[key] ?? 0, hint));
  const { speculations = 0, adopted = 0, discarded = 0 } = counts;
  const drafts = count("Drafts begun in a pause", speculations, "replies begun before the decision");
  drafts.append(el("dd.part", {}, `${adopted} adopted, ${discarded} discarded`));
  drafts.classList.add("drafts");
  list.append(drafts);
  root.replaceChildren(el("div.tiles", {}, ...PERCENTILES.map((one) => tile(one, stats))), list);
}
