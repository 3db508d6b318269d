/**
 * The timeline's lanes: where each one lies, and how levels, curves and words are drawn
 * in it. A painter `p` carries {ctx, width, gutter, lanes, x(t), from, to, colors, font}.
 */

const LABEL_ROWS = 2;
/** Height in px of a row of labels above the lanes. */
export const LABEL_PX = 21;
/** Height in px of a shadow detector's lane. */
export const SHADOW_PX = 24;

/** Levels from SILENT_DB (nothing) to LOUD_DB (the whole lane), in dBFS. */
const SILENT_DB = -58;
const LOUD_DB = -8;

/** Tops and heights of all lanes, in px, for a canvas of a given width. */
export function layOut(width, shadows) {
  const tall = width >= 720;
  const lanes = {};
  let y = 0;
  const add = (name, height, gap = 0) => {
    lanes[name] = { y, h: height };
    y += height + gap;
  };
  add("labels", LABEL_ROWS * LABEL_PX, 4);
  add("caller", tall ? 88 : 66);
  add("callerWords", 24, 12);
  add("agent", tall ? 66 : 52);
  add("agentWords", 24, 12);
  add("scores", tall ? 104 : 84, 14);
  shadows.forEach((name, i) => add(`shadow ${i}`, SHADOW_PX));
  y += shadows.length ? 6 : 0;
  add("axis", 22);
  return { lanes, height: y, gutter: tall ? 112 : 0 };
}

/** Share 0 .. 1 of a lane's half height that a level takes. */
export function levelShare(db) {
  const share = (db - SILENT_DB) / (LOUD_DB - SILENT_DB);
  return Math.min(1, Math.max(0, share)) ** 1.5;
}

/** Text cut to a width, with an ellipsis; empty if not even a few letters fit. */
export function fit(ctx, text, width) {
  if (width < 24) return "";
  if (ctx.measureText(text).width <= width) return text;
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (ctx.measureText(`${text.slice(0, middle)}…`).width <= width) low = middle;
    else high = middle - 1;
  }
  return low > 2 ? `${text.slice(0, low).trimEnd()}…` : "";
}

/** The lanes' names and the ground they lie on. */
export function drawGround(p, shadows) {
  const { ctx, lanes, colors, gutter, width } = p;
  const named = [
    ["caller", "You", colors.caller], ["agent", "Agent", colors.agent],
    ["scores", "Turn over?", colors.decision],
  ];
  for (const [name] of named) {
    const { y, h } = lanes[name];
    ctx.fillStyle = colors.lane;
    ctx.beginPath();
    ctx.roundRect(gutter, y, width - gutter, h, 6);
    ctx.fill();
  }
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  if (!gutter) return;
  for (const [name, label, color] of named) {
    const { y, h } = lanes[name];
    ctx.font = p.fonts.name;
    ctx.fillStyle = color;
    ctx.fillText(label, 0, y + h / 2 - (name === "scores" ? 10 : 0));
  }
  const { y, h } = lanes.scores;
  ctx.font = p.fonts.small;
  ctx.fillStyle = colors.muted;
  ctx.fillText("score, and speech", 0, y + h / 2 + 10);
  shadows.forEach((name, i) => {
    const lane = lanes[`shadow ${i}`];
    ctx.fillStyle = colors.shadow;
    ctx.fillText(fit(ctx, name, gutter - 12), 0, lane.y + lane.h / 2);
  });
}

/** Names inside the lanes, on top of the data, where there is no room beside them. */
export function drawNarrowNames(p, shadows) {
  if (p.gutter) return;
  const { ctx, lanes, colors } = p;
  ctx.font = p.fonts.small;
  const name = (lane, text, color) => {
    ctx.fillStyle = colors.panel;
    ctx.globalAlpha = 0.8;
    ctx.fillRect(2, lanes[lane].y + 3, ctx.measureText(text).width + 8, 17);
    ctx.globalAlpha = 1;
    ctx.fillStyle = color;
    ctx.fillText(text, 6, lanes[lane].y + 12);
  };
  name("caller", "You", colors.caller);
  name("agent", "Agent", colors.agent);
  name("scores", "Turn over?", colors.decision);
  shadows.forEach((shadow, i) => name(`shadow ${i}`, shadow, colors.shadow));
}

/** Seconds below the lanes, and faint lines through them. */
export function drawAxis(p) {
  const { ctx, lanes, colors, from, to, gutter, width } = p;
  const pixels = (width - gutter) / (to - from);
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 30].find((one) => one * pixels >= 64) ?? 60;
  ctx.font = p.fonts.small;
  ctx.textAlign = "center";
  for (let i = Math.ceil(Math.max(0, from) / step); i * step <= to; i += 1) {
    const x = p.x(i * step);
    ctx.fillStyle = colors.grid;
    ctx.fillRect(Math.round(x), lanes.caller.y, 1, lanes.axis.y - lanes.caller.y);
    const text = clock(i * step, step < 1 ? 1 : 0);
    ctx.fillStyle = colors.muted;
    if (x > gutter + 16 && x < width - 16) ctx.fillText(text, x, lanes.axis.y + 13);
  }
  ctx.textAlign = "left";
}

/** "1:23" or "1:23.4" */
export function clock(seconds, digits = 0) {
  const minutes = Math.floor(seconds / 60);
  const rest = (seconds - minutes * 60).toFixed(digits);
  return `${minutes}:${rest.padStart(digits ? 3 + digits : 2, "0")}`;
}

/** Mirrored bars of a level; `bright(t)` says where they have their full colour. */
export function drawLevels(p, ring, name, color, bright) {
  const { ctx, from, to } = p;
  const { y, h } = p.lanes[name];
  const perFrame = (p.x(to) - p.x(from)) / ((to - from) / ring.step);
  const group = Math.max(1, Math.round(4 / perFrame));
  const bar = Math.max(1, group * perFrame * 0.62);
  const middle = y + h / 2;
  const first = Math.floor(Math.max(ring.begin, ring.frameAt(from)) / group) * group;
  const end = Math.min(ring.end, ring.frameAt(to) + group);
  const shades = { bright: new Path2D(), faint: new Path2D() };
  for (let frame = first; frame < end; frame += group) {
    let top = -Infinity;
    for (let i = frame; i < frame + group; i += 1) {
      const value = ring.read(name, i);
      if (value > top) top = value;
    }
    if (top === -Infinity) continue;
    const time = frame * ring.step;
    const half = Math.max(0.75, levelShare(top) * (h / 2 - 5));
    const shade = shades[bright(time) ? "bright" : "faint"];
    if (half < 1) shade.rect(p.x(time), middle - half, bar, 2 * half);
    else shade.roundRect(p.x(time), middle - half, bar, 2 * half, Math.min(bar / 2, half));
  }
  ctx.fillStyle = color;
  ctx.globalAlpha = 0.38;
  ctx.fill(shades.faint);
  ctx.globalAlpha = 1;
  ctx.fill(shades.bright);
}

/** Detectors score less often than frames come: up to so many seconds are bridged. */
const BRIDGED_S = 0.22;

/** A trace of 0 .. 1 as a curve with gaps where it is unknown. */
export function drawCurve(p, ring, name, { color, width, fill, alpha = 1 }) {
  const { ctx, from, to } = p;
  const { y, h } = p.lanes.scores;
  const height = (value) => y + h - 5 - value * (h - 10);
  const bridged = Math.ceil(BRIDGED_S / ring.step);
  const first = Math.max(ring.begin, ring.frameAt(from) - bridged);
  const end = Math.min(ring.end, ring.frameAt(to) + bridged);
  let run = [];
  let missing = 0;
  const flush = () => {
    if (run.length) stroke(ctx, run, { color, width, alpha, fill, floor: height(0) });
    run = [];
  };
  for (let frame = first; frame < end; frame += 1) {
    const value = ring.read(name, frame);
    missing = Number.isNaN(value) ? missing + 1 : 0;
    if (missing > bridged) flush();
    else if (!missing) run.push([p.x((frame + 0.5) * ring.step), height(value)]);
  }
  flush();
}

function stroke(ctx, points, { color, width, alpha, fill, floor }) {
  const trace = () => {
    ctx.beginPath();
    points.forEach(([x, y], i) => (i ? ctx.lineTo(x, y) : ctx.moveTo(x, y)));
    if (points.length === 1) ctx.lineTo(points[0][0] + 2, points[0][1]);
  };
  if (fill) {
    trace();
    ctx.lineTo(points.at(-1)[0], floor);
    ctx.lineTo(points[0][0], floor);
    ctx.globalAlpha = 0.16;
    ctx.fillStyle = color;
    ctx.fill();
  }
  trace();
  ctx.globalAlpha = alpha;
  ctx.strokeStyle = color;
  ctx.lineWidth = width;
  ctx.lineJoin = "round";
  ctx.stroke();
  ctx.globalAlpha = 1;
}

/** The score at which the detector fires. */
export function drawThreshold(p, threshold) {
  if (!Number.isFinite(threshold)) return;
  const { ctx, colors, gutter, width } = p;
  const { y, h } = p.lanes.scores;
  const level = Math.round(y + h - 5 - threshold * (h - 10)) + 0.5;
  ctx.strokeStyle = colors.decision;
  ctx.globalAlpha = 0.75;
  ctx.setLineDash([2, 5]);
  ctx.lineWidth = 1.25;
  ctx.beginPath();
  ctx.moveTo(gutter, level);
  ctx.lineTo(width, level);
  ctx.stroke();
  ctx.setLineDash([]);
  ctx.globalAlpha = 1;
}

/** Texts under their extents: [{start, end, text}], in time order, each cut to its room. */
export function drawWords(p, lane, items) {
  const { ctx, gutter, width, from, to, colors } = p;
  const { y, h } = p.lanes[lane];
  ctx.font = p.fonts.words;
  ctx.fillStyle = colors.ink;
  ctx.strokeStyle = colors.panel; // lines that cross the words stay off the letters
  ctx.lineWidth = 4;
  ctx.lineJoin = "round";
  items.forEach(({ start, end, text }, i) => {
    const next = items[i + 1]?.start ?? Infinity;
    if (start > to || Math.min(next, end + 6) < from) return;
    const left = end > from ? Math.max(gutter + 6, p.x(start)) : p.x(start);
    const room = Math.min(width - 4, p.x(Math.min(next, to + 60)) - 10) - left;
    const shown = fit(ctx, text, room);
    if (!shown) return;
    ctx.strokeText(shown, left, y + h / 2 + 2);
    ctx.fillText(shown, left, y + h / 2 + 2);
  });
}
