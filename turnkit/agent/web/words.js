/** The conversation: the caller's words as they firm up, the agent's as they are spoken. */
import { clock } from "./lanes.js";
import { duration, el } from "./dom.js";
import { total } from "./spans.js";

const AUDIBLE = new Set(["speaking", "done", "interrupted", "stopped", "resumed"]);
const DROPPED = { discarded: "draft, discarded", "taken back": "taken back, unheard" };

function callerLine(turn) {
  const { words, record } = turn;
  if (!words && !record?.text) return null;
  const text = el("p.text");
  if (words && !words.final) {
    text.append(words.committed.trim());
    const tail = words.tail.trim();
    if (tail) text.append(words.committed.trim() ? " " : "", el("span.tail", {}, tail));
  } else {
    text.append((words ? `${words.committed} ${words.tail}`.trim() : "") || record?.text || "");
  }
  if (!text.textContent) text.append(el("span.tail", {}, "…"));
  return line("caller", "You", turn.at, text, {
    "data-final": words?.final ? "true" : "false",
  });
}

function line(who, name, at, text, attributes = {}, note = null) {
  return el(
    `div.line.${who}`, attributes,
    el("p.who", {}, name, at === null ? null : el("time", {}, clock(at))),
    el("div.said", {}, text, note),
  );
}

function agentLine(turn, reply) {
  const { state, spoken = "", text = "" } = reply;
  const attributes = { "data-state": state };
  if (DROPPED[state] && !spoken) {
    const body = text ? el("p.text", {}, el("s", {}, text)) : el("p.text", {}, "(its words were not sent here)");
    return line("agent.draft", "Agent", null, body, attributes, el("p.note", {}, DROPPED[state]));
  }
  if (!spoken && !AUDIBLE.has(state)) return null;
  const body = el("p.text", {}, spoken || "…");
  const cut = state === "interrupted" || state === "taken back";
  if (cut) body.append(" ", el("span.cut", { title: "cut here" }, el("span", { "aria-hidden": "true" }, "—"), " cut off"));
  return line("agent", "Agent", null, body, attributes);
}

function render(turn, onselect) {
  const node = el("article.turn", { "data-turn": String(turn.key), "aria-label": turn.turn === null ? "The agent" : `Turn ${turn.turn}` });
  const caller = callerLine(turn);
  if (caller) node.append(caller);
  for (const reply of turn.replies) {
    const said = agentLine(turn, reply);
    if (said) node.append(said);
  }
  const { record } = turn;
  const v2v = record ? total(record) : null;
  if (caller && (v2v !== null || record?.outcome === "failed")) {
    const label = v2v === null ? "failed: no answer" : `answered after ${duration(v2v)}`;
    const heading = caller.querySelector(".said");
    heading.append(el("button.why", { type: "button", onclick: () => onselect(turn.turn) }, label));
  } else if (caller && record?.outcome === "taken back") {
    caller.querySelector(".said").append(el("p.note", {}, "taken back: you went on"));
  }
  return node;
}

export class Words {
  /**
   * @param {HTMLElement} root
   * @param {(turn: number) => void} onselect a turn was chosen
   */
  constructor(root, onselect) {
    this.root = root;
    this.onselect = onselect;
    this.shown = new Map(); // key -> {turn, node}
    this.root.append(this.#empty());
  }

  #empty() {
    return el("p.empty", {}, "What you say appears here while you say it: firm words first, guesses lighter. The agent's words appear as they are played.");
  }

  /** Bring the list up to date; only turns that changed are made again. */
  update(turns) {
    const { root } = this;
    const atEnd = root.scrollHeight - root.scrollTop - root.clientHeight < 60;
    const kept = new Set(turns.map(({ key }) => key));
    for (const [key, { node }] of this.shown) {
      if (kept.has(key)) continue;
      node.remove();
      this.shown.delete(key);
    }
    let changed = false;
    let before = null;
    for (const turn of turns) {
      const old = this.shown.get(turn.key);
      if (old?.turn !== turn) {
        changed = true;
        const node = render(turn, this.onselect);
        if (old) old.node.replaceWith(node);
        else if (before) before.after(node);
        else root.prepend(node);
        this.shown.set(turn.key, { turn, node });
      }
      before = this.shown.get(turn.key).node;
    }
    const empty = root.querySelector(":scope > .empty");
    if (turns.length) empty?.remove();
    else if (!empty) root.append(this.#empty());
    if (changed && atEnd) root.scrollTop = root.scrollHeight;
  }
}
