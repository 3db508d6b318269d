/** Where the time of each turn went: the chosen turn in full, the ones before in a row each. */
import { duration, el } from "./dom.js";
import { axis, bars, parts, postCommit, STAGES, total, why } from "./spans.js";

/** Turns listed below the chosen one. */
const LISTED = 12;

const NAMES = Object.fromEntries(STAGES.map(({ key, name }) => [key, name]));
const SHORT = Object.fromEntries(STAGES.map(({ key, short }) => [key, short]));
NAMES.held = "Held unheard";

const OUTCOMES = {
  "taken back": "taken back",
  interrupted: "interrupted",
  failed: "failed",
};

const percent = (share) => `${Math.min(100, Math.max(0, share * 100)).toFixed(3)}%`;

function place(node, from, to, end) {
  node.style.left = percent(from / end);
  node.style.width = percent(Math.max(to, from) / end - Math.max(0, from) / end);
  return node;
}

function gantt(record, simulated) {
  const found = bars(record);
  if (!found.length) return null;
  const most = Math.max(...found.map(({ to }) => to));
  const { step, end } = axis(most * 1.02);
  const chart = el("div.gantt", { role: "img", "aria-label": describe(found) });
  const grid = el("div.grid", { "aria-hidden": "true" });
  for (let ms = 0; ms <= end; ms += step) {
    const tick = el("span", {}, el("b", {}, ms === 0 ? "0 ms" : String(ms)));
    tick.style.left = percent(ms / end);
    grid.append(tick);
  }
  chart.append(grid);
  for (const { key, from, to } of found) {
    const bar = place(el(`span.bar.${key}`), from, to, end);
    if (simulated(key)) bar.classList.add("simulated");
    const label = to <= 0 ? "before" : duration(to - Math.max(0, from));
    const value = el("span.ms", { title: to <= 0 ? "done before you stopped" : null }, label);
    const name = el("span.name", {}, NAMES[key]);
    if (simulated(key)) name.append(" ", el("em", {}, "simulated"));
    chart.append(el("div.row", {}, name, el("span.track", {}, bar), value));
  }
  const decided = found[0].to;
  const post = el("span.decided", { "aria-hidden": "true" });
  post.style.left = percent(decided / end);
  grid.append(post);
  return chart;
}

function describe(found) {
  const each = found.map(
    ({ key, from, to }) => `${NAMES[key]} from ${Math.round(from)} to ${Math.round(to)} ms`,
  );
  return `After the end of speech: ${each.join("; ")}.`;
}

/** What each stage added, in one strip whose lengths sum to the total. */
function strip(record, most, labels, simulated) {
  const found = parts(record).filter(({ ms }) => ms > 0);
  const sum = found.reduce((all, { ms }) => all + ms, 0);
  const node = el("span.strip", { "aria-hidden": "true" });
  for (const { key, ms } of found) {
    const part = el(`span.part.${key}`, { title: `${NAMES[key]} ${duration(ms)}` });
    part.style.flexGrow = String(ms);
    if (simulated(key)) part.classList.add("simulated");
    node.append(part);
  }
  node.style.width = percent(most ? sum / most : 0);
  if (!labels) return node;
  const list = el("ul.sum", { "aria-label": "What each stage added" });
  for (const { key, ms } of parts(record)) {
    list.append(el(`li.${key}`, {}, el("i", { "aria-hidden": "true" }), `${SHORT[key]} `, el("b", {}, String(Math.round(ms)))));
  }
  return el("div.sums", {}, node, list);
}

function headline(record, decision, detector) {
  const v2v = total(record);
  const after = record.post_commit_ms ?? postCommit(record);
  const known = record.spans?.transport !== null && record.spans?.transport !== undefined;
  const big = v2v === null ? OUTCOMES[record.outcome] ?? "no answer" : String(Math.round(v2v));
  const number = el("p.big", { "data-outcome": record.outcome }, big);
  if (v2v !== null) number.append(el("small", {}, " ms"));
  const facts = el("p.muted", {});
  if (v2v !== null) {
    facts.append(known ? "voice to voice" : "voice to voice, without transport");
    if (after !== null) facts.append(` · ${duration(after)} after the decision`);
    if (OUTCOMES[record.outcome]) facts.append(` · ${OUTCOMES[record.outcome]}`);
  }
  return el("div.headline", {}, el("div", {}, number, facts), el("p.because", {}, why(record, decision, detector)));
}

export class Waterfall {
  /**
   * @param {HTMLElement} root
   * @param {HTMLElement} caption says which turn is shown
   * @param {(turn: object) => void} onselect the record of the turn that was chosen
   */
  constructor(root, caption, onselect) {
    this.root = root;
    this.caption = caption;
    this.onselect = onselect;
    this.chosen = null; // a turn number, or null for the newest
    this.last = null;
  }

  select(number) {
    this.chosen = number;
    const { state } = this;
    this.last = null;
    if (state) this.update(state);
    const turn = state?.turns.find((one) => one.turn === number);
    if (turn?.record) this.onselect(turn.record);
  }

  update(state) {
    const done = state.turns.filter(({ record }) => record);
    const marker = done.map(({ record }) => record);
    const same = this.last?.length === marker.length && marker.every((one, i) => one === this.last[i]);
    this.state = state;
    if (same) return;
    if (this.last && marker.length > this.last.length) this.chosen = null; // a new turn: show it
    this.last = marker;
    this.#draw(state, done);
  }

  #draw(state, done) {
    if (!done.length) {
      this.caption.textContent = "";
      this.root.replaceChildren(el("p.empty", {}, "After each turn: when every stage was at work, from your last sound to the agent's first."));
      return;
    }
    const { stages, detector } = state.call ?? {};
    const simulated = (key) => stages?.[key]?.simulated === true;
    const turn = done.find((one) => one.turn === this.chosen) ?? done.at(-1);
    const { record } = turn;
    const decision = state.decisions.find((one) => one.turn === turn.turn);
    this.caption.textContent = `turn ${turn.turn}${record.mode ? ` · ${record.mode}` : ""}`;
    const sum = parts(record).reduce((all, { ms }) => all + Math.max(0, ms), 0);
    this.root.replaceChildren(
      headline(record, decision, detector),
      gantt(record, simulated) ?? "",
      strip(record, sum, true, simulated),
      this.#list(done, turn, simulated),
    );
  }

  #list(done, shown, simulated) {
    const newest = done.slice(-LISTED).reverse();
    const sums = newest.map(({ record }) => parts(record).reduce((all, { ms }) => all + Math.max(0, ms), 0));
    const most = Math.max(...sums, 1);
    const list = el("ol.turns", { "aria-label": "Last turns, newest first" });
    for (const turn of newest) {
      const { record } = turn;
      const v2v = total(record);
      const result = v2v === null ? OUTCOMES[record.outcome] ?? "–" : duration(v2v);
      const row = el(
        "button.turnrow",
        { type: "button", "aria-current": turn === shown ? "true" : null, onclick: () => this.select(turn.turn) },
        el("span.n", {}, String(turn.turn)),
        el("span.snippet", {}, record.text || "(no words)"),
        el("span.meter", {}, strip(record, most, false, simulated)),
        el("span.v2v", { "data-outcome": record.outcome }, result),
      );
      list.append(el("li", {}, row));
    }
    return list;
  }
}
