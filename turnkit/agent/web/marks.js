/** What happened, on the timeline: pauses, decisions, answers, barge-ins, shadow detectors. */
import { LABEL_PX } from "./lanes.js";
import { total } from "./spans.js";

const MARK_NAMES = { "barge-in": "barge-in", "take-back": "taken back", stop: "stops", resume: "resumes" };
const seen = (p, from, to = from) => to >= p.from - 1 && from <= p.to + 1;

/** Bands where the caller paused; the last one before a decision is the wait for it. */
export function drawPauses(p, state) {
  const { ctx, colors, lanes } = p;
  for (const { start, end, outcome } of state.pauses) {
    const until = end ?? state.at;
    if (!seen(p, start, until)) continue;
    const [x, w] = [p.x(start), p.x(until) - p.x(start)];
    const color = outcome === "ended" ? colors.decision : colors.muted;
    ctx.fillStyle = color;
    for (const { y, h } of [lanes.caller, lanes.scores]) {
      ctx.globalAlpha = outcome === "ended" ? 0.2 : 0.13;
      ctx.fillRect(x, y, w, h);
      ctx.globalAlpha = 0.8;
      ctx.fillRect(Math.round(x), y + h - 8, 1.5, 8);
    }
    ctx.globalAlpha = 1;
    ctx.font = p.fonts.small;
    if (outcome !== "ended" && w > 44) {
      ctx.fillStyle = colors.muted;
      ctx.fillText("pause", x + 5, lanes.caller.y + lanes.caller.h - 9);
    }
  }
}

/** Let what is drawn next appear in the pauses of the scores' lane only. */
export function clipToPauses(p, state) {
  const { y, h } = p.lanes.scores;
  p.ctx.beginPath();
  for (const { start, end } of state.pauses) {
    const until = end ?? state.at;
    if (seen(p, start, until)) p.ctx.rect(p.x(start), y, p.x(until) - p.x(start) + 1, h);
  }
  p.ctx.clip();
}

/** The stretch of each turn of the caller: a line under the lane. */
export function drawExtents(p, state) {
  const { ctx, colors, lanes } = p;
  for (const { start, end } of state.extents) {
    const until = end ?? state.at;
    if (!seen(p, start, until)) continue;
    ctx.fillStyle = colors.caller;
    ctx.globalAlpha = end === null ? 0.5 : 1;
    ctx.fillRect(p.x(start), lanes.caller.y + lanes.caller.h - 2, p.x(until) - p.x(start), 2);
    ctx.globalAlpha = 1;
  }
}

/**
 * Where the answer to a decision became audible: the next talk after it, or null. What
 * goes on after a stop answers nothing.
 */
export function answerTo(state, decision) {
  const next = state.decisions.find((one) => one.at > decision.at);
  const fits = ({ start, reply }, i) =>
    start >= decision.at && (!next || start < next.at) && state.talks[i - 1]?.reply !== reply;
  return state.talks.find(fits) ?? null;
}

/** From each decision to the moment its answer was heard. */
export function drawAnswers(p, state) {
  const { ctx, colors, lanes } = p;
  for (const decision of state.decisions) {
    const talk = decision.takenBack ? null : answerTo(state, decision);
    if (!talk || !seen(p, decision.at, talk.start)) continue;
    const { y, h } = lanes.agent;
    const [x, until] = [p.x(decision.at), p.x(talk.start)];
    ctx.fillStyle = colors.agent;
    ctx.globalAlpha = 0.18;
    ctx.fillRect(x, y, until - x, h);
    ctx.globalAlpha = 1;
    ctx.fillRect(Math.round(until) - 1, y, 2, h);
    const text = answerLabel(state, decision, talk);
    ctx.font = p.fonts.label;
    const w = ctx.measureText(text).width;
    ctx.fillStyle = colors.lane;
    ctx.globalAlpha = 0.86;
    ctx.fillRect(until + 3, y + 3, w + 8, 18);
    ctx.globalAlpha = 1;
    ctx.fillStyle = colors.agent;
    ctx.fillText(text, until + 7, y + 13);
  }
}

/** With the way to the caller where that is known, as the waterfall has it. */
function answerLabel(state, decision, talk) {
  const record = state.turns.find(({ turn }) => turn === decision.turn)?.record;
  if (record && Number.isFinite(record.spans?.transport) && total(record) !== null) {
    return `heard +${Math.round(total(record))} ms`;
  }
  return `sent +${Math.round((talk.start - decision.since) * 1000)} ms`;
}

function line(p, x, color, from, to, dash) {
  const { ctx } = p;
  ctx.strokeStyle = color;
  ctx.lineWidth = dash.length ? 1.5 : 2;
  ctx.setLineDash(dash);
  ctx.beginPath();
  ctx.moveTo(Math.round(x), from);
  ctx.lineTo(Math.round(x), to);
  ctx.stroke();
  ctx.setLineDash([]);
}

/** Lines through all lanes with labels above them: decisions and what undid them. */
export function drawMoments(p, state) {
  const { colors, lanes } = p;
  const top = lanes.labels.y + lanes.labels.h;
  const labels = [];
  for (const { at, since, reason, takenBack, heeded } of state.decisions) {
    if (!seen(p, at)) continue;
    const undone = takenBack || !heeded;
    const color = undone ? colors.muted : colors.decision;
    line(p, p.x(at), color, top, lanes.axis.y, undone ? [3, 4] : []);
    const delay = `+${Math.round((at - since) * 1000)} ms`;
    labels.push({ x: p.x(at), text: reason === "timeout" ? `${delay} time-out` : delay, color, full: true });
  }
  for (const { at, kind } of state.marks) {
    if (!seen(p, at)) continue;
    const color = kind === "resume" ? colors.agent : colors.cut;
    line(p, p.x(at), color, top, lanes.agent.y + lanes.agent.h, [2, 3]);
    labels.push({ x: p.x(at), text: MARK_NAMES[kind], color, full: false });
  }
  drawLabels(p, labels, top);
}

/** Labels in rows: the lowest row where one fits; without room, only its line is drawn. */
function drawLabels(p, labels, bottom) {
  const { ctx, colors, width } = p;
  const rows = [-Infinity, -Infinity];
  ctx.font = p.fonts.label;
  const placed = [];
  for (const label of labels.sort((a, b) => a.x - b.x)) {
    const w = ctx.measureText(label.text).width + 14;
    const left = Math.min(label.x - 1, width - w);
    const row = rows.findIndex((taken) => taken + 4 <= left);
    if (row < 0) continue;
    rows[row] = left + w;
    placed.push({ ...label, w, left, y: bottom - (row + 1) * LABEL_PX });
  }
  for (const { x, y, color } of placed) line(p, x, color, y + LABEL_PX - 4, bottom, []);
  for (const { text, color, full, w, left, y } of placed) {
    ctx.beginPath();
    ctx.roundRect(left, y, w, LABEL_PX - 3, 4);
    ctx.fillStyle = full ? color : colors.panel;
    ctx.fill();
    ctx.lineWidth = 1.25;
    ctx.strokeStyle = color;
    if (!full) ctx.stroke();
    ctx.fillStyle = full ? colors.panel : color;
    ctx.fillText(text, left + 7, y + LABEL_PX / 2 - 1);
  }
}

/** One thin lane for each shadow detector: how long it waited, and where it would fire. */
export function drawShadows(p, state, shadows) {
  const { ctx, colors, lanes } = p;
  shadows.forEach((name, i) => {
    const { y, h } = lanes[`shadow ${i}`];
    const middle = y + h / 2;
    ctx.fillStyle = colors.grid;
    ctx.fillRect(p.gutter, Math.round(middle), p.width - p.gutter, 1);
    const fires = state.fires.filter((fire) => fire.detector === name);
    fires.forEach((fire, k) => {
      if (!seen(p, fire.since, fire.at)) return;
      const next = fires[k + 1];
      drawFire(p, fire, middle, next ? p.x(next.since) - p.x(fire.at) : Infinity);
    });
  });
}

function drawFire(p, { at, since, verdict }, middle, room) {
  const { ctx, colors } = p;
  const cut = verdict === "cut";
  const color = cut ? colors.cut : colors.shadow;
  const x = p.x(at);
  ctx.fillStyle = color;
  ctx.globalAlpha = 0.45;
  ctx.fillRect(p.x(since), middle - 1.5, x - p.x(since), 3);
  ctx.globalAlpha = 1;
  ctx.beginPath();
  ctx.moveTo(x, middle - 6);
  ctx.lineTo(x + 5, middle);
  ctx.lineTo(x, middle + 6);
  ctx.lineTo(x - 5, middle);
  ctx.fill();
  ctx.font = p.fonts.small;
  const delay = `+${Math.round((at - since) * 1000)} ms`;
  const texts = cut ? [`would have cut in here`, "cut in"] : [delay];
  const text = texts.find((one) => ctx.measureText(one).width + 18 < room);
  if (!text) return;
  const w = ctx.measureText(text).width;
  // Left of its line where the window ends on the right.
  const left = x + 14 + w > p.width ? p.x(since) - w - 6 : x + 11;
  ctx.fillStyle = colors.panel;
  ctx.fillRect(left - 3, middle - 8, w + 6, 16);
  ctx.fillStyle = color;
  ctx.fillText(text, left, middle + 0.5);
}
