/** The call button, the state in words, problems, and the facts of this agent. */
import { byId, el } from "./dom.js";
import { clock } from "./lanes.js";

const BUTTON = {
  idle: "Start talking",
  asking: "Cancel",
  connecting: "Cancel",
  "in call": "Hang up",
  ended: "Start talking",
};

const STATES = {
  idle: "Idle",
  asking: "Asking for the microphone",
  connecting: "Connecting",
  "in call": "In call",
  ended: "Ended",
};

const PHASES = {
  listening: "Listening",
  "user speaking": "You are speaking",
  paused: "A pause: is that all?",
  speculating: "A pause: a reply is being drafted, unheard",
  committed: "Your turn is over: answering",
  "agent speaking": "The agent is speaking",
  interrupted: "You speak over the agent",
  resuming: "Nobody took over: the agent goes on",
};

/** Show the state of the call: "idle", "asking", "connecting", "in call", "ended". */
export function showCallState(state, why = "") {
  const button = byId("connect");
  button.dataset.state = state;
  byId("connect-label").textContent = BUTTON[state];
  const line = byId("state");
  line.dataset.state = state;
  delete line.dataset.phase;
  line.textContent = state === "ended" && why ? `Ended: ${why}` : STATES[state];
  const hints = {
    asking: "The browser asks whether this page may listen.",
    connecting: "Looking for a way to the server and back.",
  };
  byId("substate").textContent = hints[state] ?? "Space or Enter starts a call, Escape hangs up.";
}

/** In a call the state says what the agent makes of it. */
export function showPhase(phase, at, limits, link) {
  const line = byId("state");
  if (line.dataset.phase !== phase) {
    line.dataset.phase = phase;
    line.textContent = PHASES[phase];
  }
  const most = limits?.duration_s ? ` of ${clock(limits.duration_s)}` : "";
  const network = Number.isFinite(link?.rtt_ms) ? ` · network round trip ${Math.round(link.rtt_ms)} ms` : "";
  const text = `In call ${clock(at)}${most}${network}`;
  const substate = byId("substate");
  if (substate.textContent !== text) substate.textContent = text;
}

/** What runs here, from /api/config before a call and from `hello` in one. */
export function showFacts(config, call) {
  const facts = [];
  const add = (name, value, note) => {
    if (value) facts.push(el("div", {}, el("dt", {}, name), el("dd", {}, value, note ? el("em", {}, ` ${note}`) : null)));
  };
  add("Mode", call?.mode ?? config?.mode);
  const detector = call?.detector ?? config?.detector;
  add("Detector", typeof detector === "string" ? detector : detector?.name);
  add("Shadows", (call?.shadows ?? config?.shadows ?? []).join(", "));
  for (const [key, label] of [["stt", "Recogniser"], ["llm", "Model"], ["tts", "Voice"]]) {
    const stage = call?.stages?.[key];
    const said = stage?.name?.includes("simulated");
    add(label, stage?.name, stage?.simulated && !said ? "simulated" : "");
  }
  byId("facts").replaceChildren(...facts);
}

/** Problems on the page: one of each code, newest last, until dismissed or cleared. */
export class Problems {
  /** @param {HTMLElement} root @param {(button: HTMLButtonElement) => void} copy */
  constructor(root, copy) {
    this.root = root;
    this.copy = copy;
    this.shown = new Map();
    this.seen = [];
  }

  show(problem) {
    const { code, title, advice, detail } = problem;
    this.seen = [...this.seen.slice(-19), { code, detail }];
    this.dismiss(code);
    const node = el(
      "div.problem", { "data-code": code },
      el("div", {}, el("p.title", {}, title), detail ? el("p.detail", {}, detail) : null, el("p.advice", {}, advice)),
      el("div.actions", {},
        el("button.quiet.wide", { type: "button", onclick: ({ currentTarget }) => this.copy(currentTarget) }, "Copy diagnostics"),
        el("button.quiet", { type: "button", "aria-label": `Dismiss: ${title}`, onclick: () => this.dismiss(code) }, "×")),
    );
    this.shown.set(code, node);
    this.root.append(node);
  }

  dismiss(code) {
    this.shown.get(code)?.remove();
    this.shown.delete(code);
  }

  clear() {
    for (const code of [...this.shown.keys()]) this.dismiss(code);
  }
}
