/** Running percentiles and counts, as the agent counts them. */
import { duration, el } from "./dom.js";

const PERCENTILES = [
  ["v2v_ms", "Voice to voice", "from your last sound to its first"],
  ["post_commit_ms", "After the decision", "words, reply and voice"],
  ["eot_ms", "To the decision", "is the turn over?"],
];

const COUNTS = [
  ["false_interruptions", "False interruptions", "it was heard before your turn was over"],
  ["interruptions", "Interruptions", "you stopped it"],
  ["overlaps", "Spoken over", "you spoke while it spoke, or something sounded like it"],
  ["stops", "Stops", "it fell silent to hear whether you want the turn"],
  ["barge_ins", "Barge-ins", "you took the turn while it spoke"],
  ["false_barge_ins", "False barge-ins", "a noise or an “mm-hm” stopped it"],
  ["take_backs", "Take-backs", "decided too early, and undone before it mattered"],
  ["resumes", "Resumes", "it went on after a false stop"],
];

/** Shown only once there is something to count. */
const RARE = [
  ["stage_failures", "Stage failures", "a recogniser, model or voice failed"],
  ["apologies", "Apologies", "it said that something went wrong"],
  ["empty_turns", "Turns without words", "something was heard, and no word in it"],
];

const BEFORE = { false_interruptions: 0, barge_ins: 0, false_barge_ins: 0, take_backs: 0 };

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
  const counts = stats?.counts ?? BEFORE;
  const n = stats?.turns ?? 0;
  caption.textContent = `${n} ${n === 1 ? "turn" : "turns"}`;
  const list = el("dl.counts");
  for (const [key, name, hint] of COUNTS) {
    if (key in counts) list.append(count(name, counts[key], hint));
  }
  for (const [key, name, hint] of RARE) {
    if (counts[key] > 0) list.append(count(name, counts[key], hint));
  }
  const { speculations = 0, adopted = 0, discarded = 0 } = counts;
  const drafts = count("Drafts begun in a pause", speculations, "replies begun before the decision");
  drafts.append(el("dd.part", {}, `${adopted} adopted, ${discarded} discarded`));
  drafts.classList.add("drafts");
  list.append(drafts);
  root.replaceChildren(el("div.tiles", {}, ...PERCENTILES.map((one) => tile(one, stats))), list);
}
