/**
 * The timeline: a window of some seconds on the call, following it, or held still and
 * dragged back over it. Draws only when something changed, with requestAnimationFrame.
 */
import { agentTexts, callerTexts } from "./captions.js";
import * as lanes from "./lanes.js";
import * as marks from "./marks.js";

const WINDOWS_S = [3, 6, 12, 24, 60];
/** Share of the window that stays empty on the right, for labels of what just happened. */
const MARGIN = 0.07;
/**
 * Shortest time between two pictures; the longer one where a picture takes the browser
 * more than SLOW_MS (no GPU), as the agent may need the same processor.
 */
const PICTURE_MS = { quick: 31, slow: 100 };
const SLOW_MS = 34;
/** Frames may be this late, in seconds, before the picture stops running ahead of them. */
const LATE_S = 0.25;

const COLORS = ["panel", "lane", "grid", "ink", "muted", "caller", "agent", "decision", "shadow", "cut"];

export class Timeline {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {(view: {live: boolean, window: number}) => void} onview the view changed
   * @param {(text: string) => void} onread values under the pointer, or ""
   */
  constructor(canvas, onview, onread) {
    this.canvas = canvas;
    this.onview = onview;
    this.onread = onread;
    this.state = null;
    this.ring = null;
    this.live = true;
    this.window = canvas.clientWidth < 560 ? 6 : 12;
    this.end = 0; // right edge of the window in seconds when it does not follow
    this.shown = 0; // the call's clock as drawn, smoothed
    this.arrived = 0; // performance.now() of the newest frames
    this.pointer = null;
    this.pending = false;
    this.drawn = -Infinity; // when the last picture was made
    this.fresh = false; // no animation frame has come since
    this.cost = 16; // ms until one came, on average
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.recolor();
    new ResizeObserver(() => this.invalidate()).observe(canvas.parentElement);
    this.#listen();
  }

  /** Read the palette again after a change of theme. */
  recolor() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(`--${name}`).trim();
    this.colors = Object.fromEntries(COLORS.map((name) => [name, read(name)]));
    const family = getComputedStyle(document.body).fontFamily;
    this.fonts = {
      name: `600 14px ${family}`, words: `14px ${family}`,
      label: `600 12px ${family}`, small: `12px ${family}`,
    };
    this.invalidate();
  }

  /** Show this state and ring; `fresh` if frames just came in. */
  update(state, ring, fresh = false) {
    if (ring !== this.ring) {
      this.shown = 0;
      this.live = true;
      this.onview(this);
    }
    this.state = state;
    this.ring = ring;
    if (fresh) this.arrived = performance.now();
    this.invalidate();
  }

  invalidate() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame((now) => this.#due(now));
  }

  #due(now) {
    const age = now - this.drawn;
    if (this.fresh && age < 500) this.cost += 0.1 * (age - this.cost);
    this.fresh = false;
    this.pending = false;
    if (age < PICTURE_MS[this.cost > SLOW_MS ? "slow" : "quick"]) return this.invalidate();
    this.drawn = now;
    this.fresh = true;
    return this.#draw();
  }

  // The view ------------------------------------------------------------------------

  follow() {
    this.live = true;
    this.#viewed();
  }

  /** Hold the picture, or follow again. */
  togglePause() {
    if (this.live) this.#hold();
    else this.live = true;
    this.#viewed();
  }

  zoom(steps) {
    const index = WINDOWS_S.indexOf(this.window) + steps;
    if (index < 0 || index >= WINDOWS_S.length) return;
    const middle = this.end - this.window / 2;
    this.window = WINDOWS_S[index];
    if (!this.live) this.end = middle + this.window / 2;
    this.#viewed();
  }

  /** Move the window by seconds; held from then on. */
  pan(seconds) {
    if (!this.ring) return;
    if (this.live) this.#hold();
    const newest = this.ring.end * this.ring.step;
    const oldest = this.ring.begin * this.ring.step;
    const most = newest + this.window * MARGIN;
    const least = Math.min(most, oldest + this.window);
    this.end = Math.min(most, Math.max(least, this.end + seconds));
    this.#viewed();
  }

  /** Bring a moment into the middle. */
  show(seconds) {
    this.pan(seconds + this.window / 2 - (this.live ? this.#liveEnd() : this.end));
  }

  #hold() {
    this.live = false;
    this.end = this.#liveEnd();
  }

  #liveEnd() {
    return Math.max(this.window, this.shown + this.window * MARGIN);
  }

  #viewed() {
    this.onview(this);
    this.invalidate();
  }

  // Input ---------------------------------------------------------------------------

  #listen() {
    const { canvas } = this;
    let dragged = null;
    canvas.addEventListener("pointerdown", (event) => {
      dragged = event.clientX;
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      this.pointer = event.offsetX;
      if (dragged !== null && Math.abs(event.clientX - dragged) > 2) {
        const seconds = this.window / (canvas.clientWidth - (this.gutter ?? 0));
        this.pan((dragged - event.clientX) * seconds);
        dragged = event.clientX;
      }
      this.invalidate();
    });
    for (const kind of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(kind, () => { dragged = null; });
    }
    canvas.addEventListener("pointerleave", () => {
      this.pointer = null;
      this.onread("");
      this.invalidate();
    });
    canvas.addEventListener("keydown", (event) => {
      const step = this.window / 8;
      const actions = {
        ArrowLeft: () => this.pan(-step), ArrowRight: () => this.pan(step),
        PageUp: () => this.pan(-this.window), PageDown: () => this.pan(this.window),
        Home: () => this.pan(-Infinity), End: () => this.follow(),
        "+": () => this.zoom(-1), "=": () => this.zoom(-1), "-": () => this.zoom(1),
      };
      if (event.ctrlKey || event.metaKey || event.altKey || !actions[event.key]) return;
      event.preventDefault();
      actions[event.key]();
    });
  }

  // The picture ---------------------------------------------------------------------

  /** Advance the drawn clock smoothly towards the newest frames; true while it moves. */
  #tick() {
    const newest = this.ring.end * this.ring.step;
    const age = (performance.now() - this.arrived) / 1000;
    if (this.still.matches || age > LATE_S * 2) {
      const moved = this.shown !== newest;
      this.shown = newest;
      return moved && !this.still.matches;
    }
    const target = newest + Math.min(age, LATE_S) - 0.1;
    const gap = target - this.shown;
    this.shown = Math.abs(gap) > 1 ? target : this.shown + Math.max(0, gap) * 0.35;
    return true;
  }

  #draw() {
    const { canvas, state, ring } = this;
    const width = canvas.parentElement.clientWidth;
    if (!width) return;
    const shadows = state?.call?.shadows ?? [];
    const layout = lanes.layOut(width, shadows);
    const ctx = this.#prepare(width, layout.height);
    this.gutter = layout.gutter;
    const moving = ring ? this.#tick() : false;
    const to = this.live ? this.#liveEnd() : this.end;
    const from = to - this.window;
    const scale = (width - layout.gutter) / this.window;
    const p = {
      ctx, width, from, to, gutter: layout.gutter, lanes: layout.lanes,
      colors: this.colors, fonts: this.fonts, x: (t) => layout.gutter + (t - from) * scale,
    };
    lanes.drawGround(p, shadows);
    ctx.save();
    ctx.beginPath();
    ctx.rect(layout.gutter, 0, width - layout.gutter, layout.height);
    ctx.clip();
    lanes.drawAxis(p);
    if (ring && state) this.#drawCall(p, shadows);
    ctx.restore();
    lanes.drawNarrowNames(p, shadows);
    if (this.pointer !== null && ring) this.#drawPointer(p);
    if (moving && this.live) this.invalidate();
  }

  #prepare(width, height) {
    const { canvas } = this;
    const ratio = window.devicePixelRatio || 1;
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== w || canvas.height !== h) {
      canvas.width = w;
      canvas.height = h;
      canvas.style.height = `${height}px`;
    }
    const ctx = canvas.getContext("2d");
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, width, height);
    return ctx;
  }

  #drawCall(p, shadows) {
    const { state, ring, colors } = this;
    const inside = (list) => (t) =>
      list.some(({ start, end }) => t >= start - 0.02 && t < (end ?? Infinity));
    marks.drawPauses(p, state);
    lanes.drawLevels(p, ring, "caller", colors.caller, inside(visible(state.extents, p)));
    lanes.drawLevels(p, ring, "agent", colors.agent, inside(visible(state.talks, p)));
    marks.drawExtents(p, state);
    lanes.drawCurve(p, ring, "speech", { color: colors.caller, width: 1.25, alpha: 0.8 });
    lanes.drawCurve(p, ring, "score", { color: colors.decision, width: 1.25, alpha: 0.4 });
    p.ctx.save();
    marks.clipToPauses(p, state); // only there does the score decide anything
    lanes.drawCurve(p, ring, "score", { color: colors.decision, width: 2.25, fill: true });
    p.ctx.restore();
    lanes.drawThreshold(p, state.call?.detector.threshold);
    marks.drawShadows(p, state, shadows);
    marks.drawAnswers(p, state);
    marks.drawMoments(p, state);
    lanes.drawWords(p, "callerWords", callerTexts(state));
    lanes.drawWords(p, "agentWords", agentTexts(state));
  }

  #drawPointer(p) {
    if (this.pointer < p.gutter) return this.onread("");
    const time = p.from + ((this.pointer - p.gutter) / (p.width - p.gutter)) * this.window;
    p.ctx.fillStyle = this.colors.muted;
    p.ctx.fillRect(Math.round(this.pointer), p.lanes.caller.y, 1, p.lanes.axis.y - p.lanes.caller.y);
    const frame = this.ring.frameAt(time);
    const [speech, score] = [this.ring.read("speech", frame), this.ring.read("score", frame)];
    const show = (value) => (Number.isNaN(value) ? "–" : value.toFixed(2));
    const read = `${lanes.clock(Math.max(0, time), 2)} · speech ${show(speech)} · score ${show(score)}`;
    return this.onread(time < 0 ? "" : read);
  }
}

const visible = (list, p) =>
  list.filter(({ start, end }) => start < p.to && (end === null || end > p.from));
