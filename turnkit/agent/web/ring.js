/**
 * The call's levels and scores, frame by frame, in a ring of bounded size: a frame is
 * found by its number since the call began, and one that has been overwritten or never
 * came reads as NaN.
 */

/** Seconds of a call that stay on the page. */
export const HISTORY_S = 900;

const TRACES = ["caller", "agent", "speech", "score"];

export class Ring {
  /** @param {number} step seconds a frame @param {number} seconds how much is kept */
  constructor(step = 0.02, seconds = HISTORY_S) {
    this.step = step;
    this.capacity = Math.round(seconds / step);
    /** Number of the frame after the newest one. */
    this.end = 0;
    for (const name of TRACES) this[name] = new Float32Array(this.capacity).fill(NaN);
  }

  /** Number of the oldest frame that may still be read. */
  get begin() {
    return Math.max(0, this.end - this.capacity);
  }

  /** Write a `frames` message, whose lists end at `at`; frames that were lost stay NaN. */
  write({ at, caller, agent, speech, score }) {
    const end = Math.round(at / this.step);
    const n = Math.min(caller.length, this.capacity, end);
    const first = end - n;
    if (first - this.end >= this.capacity) this.end = first - this.capacity;
    for (let lost = this.end; lost < first; lost += 1) this.put(lost, NaN, NaN, NaN, NaN);
    const skip = caller.length - n;
    for (let i = 0; i < n; i += 1) {
      const from = skip + i;
      this.put(
        first + i, caller[from], agent[from], speech[from] ?? NaN, score[from] ?? NaN,
      );
    }
    this.end = Math.max(this.end, end);
  }

  put(frame, caller, agent, speech, score) {
    const slot = frame % this.capacity;
    this.caller[slot] = caller;
    this.agent[slot] = agent;
    this.speech[slot] = speech;
    this.score[slot] = score;
  }

  /** Value of trace `name` at frame number `frame`, NaN where there is none. */
  read(name, frame) {
    if (frame < this.begin || frame >= this.end) return NaN;
    return this[name][frame % this.capacity];
  }

  /** Frame number at a time in seconds. */
  frameAt(seconds) {
    return Math.floor(seconds / this.step);
  }
}
