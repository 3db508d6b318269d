/**
 * The page: a call, its state, and the views of it. Messages of the agent come in by
 * `handle` whatever carried them.
 */
import { Call } from "./call.js";
import { Problems, showCallState, showFacts, showPhase } from "./controls.js";
import { Devices } from "./devices.js";
import { collect, copy } from "./diagnostics.js";
import { byId } from "./dom.js";
import { showLog, summary } from "./log.js";
import { offerProblem, problem, stageProblem } from "./problems.js";
import { check, parse } from "./protocol.js";
import { Ring } from "./ring.js";
import { initial, reduce, turnOf } from "./state.js";
import { showStats } from "./stats.js";
import { setUpTheme } from "./theme.js";
import { Timeline } from "./timeline.js";
import { Waterfall } from "./waterfall.js";
import { Words } from "./words.js";

const TOKEN = "turnkit.token";
const address = new URLSearchParams(location.search);

let state = initial();
let ring = new Ring();
let config = null;
let call = null;
let callState = "idle";
let link = null;
const faults = {};

const copyDiagnostics = (button) =>
  copy(JSON.stringify(diagnostics(), null, 2), button);
const problems = new Problems(byId("problems"), copyDiagnostics);
const timeline = new Timeline(byId("timeline"), showView, (text) => {
  byId("readout").textContent = text;
});
const waterfall = new Waterfall(byId("waterfall"), byId("waterfall-turn"), (record) => {
  if (record.decided_at !== null) timeline.show(record.decided_at);
});
const words = new Words(byId("words"), (turn) => waterfall.select(turn));
const devices = new Devices(
  byId("microphone"),
  Object.fromEntries(
    ["echoCancellation", "noiseSuppression", "autoGainControl"].map((name) => [name, byId(name)]),
  ),
  address.get("processing") !== "off",
);

// Messages ----------------------------------------------------------------------------

/**
 * Take one message of the agent, decoded; what cannot be used is counted and left out.
 *
 * @param {object} message
 * @returns {boolean} whether it was used
 */
export function handle(message) {
  return take(check(message));
}

function take({ message, fault }) {
  if (fault) faults[fault] = (faults[fault] ?? 0) + 1;
  if (!message) return false;
  if (message.type === "hello") ring = new Ring();
  if (message.type === "frames") {
    if (message.step !== ring.step) ring = new Ring(message.step);
    ring.write(message);
  }
  const before = state;
  state = reduce(state, message);
  announce(message);
  if (message.type === "error") problems.show(stageProblem(message));
  if (message.type === "bye") call?.ended(message.reason);
  timeline.update(state, ring, message.type === "frames");
  if (message.type !== "frames" || Math.floor(before.at) !== Math.floor(state.at)) schedule();
  return true;
}

/** What the page knows; for tests and for those who look with the browser's console. */
export const current = () => state;

/** What "Copy diagnostics" copies. */
export const diagnostics = () =>
  collect({ config, state, callState, problems: problems.seen, faults, link });

let scheduled = false;
let drawn = null;

function schedule() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    render();
  });
}

function render() {
  const old = drawn;
  drawn = state;
  const changed = (...keys) => !old || keys.some((key) => old[key] !== state[key]);
  byId("timeline-empty").hidden = state.call !== null;
  if (changed("call")) {
    showFacts(config, state.call);
    byId("shadow-key").hidden = !state.call?.shadows.length;
  }
  if (changed("turns")) words.update(state.turns);
  if (changed("turns", "call", "decisions")) waterfall.update(state);
  if (changed("stats")) showStats(byId("stats"), byId("stats-turns"), state.stats);
  if (changed("pauses", "decisions", "fires", "marks", "talks")) {
    showLog(byId("log"), state);
    byId("timeline").setAttribute("aria-label", summary(state));
  }
  if (callState === "in call") showPhase(state.phase, state.at, state.call?.limits, link);
}

/** Say final words and finished replies to a screen reader. */
function announce(message) {
  const say = (text) => { byId("announcer").textContent = text; };
  if (message.type === "words" && message.final) {
    say(`You: ${message.committed} ${message.tail}`.trim());
  }
  if (message.type === "reply" && ["done", "interrupted"].includes(message.state)) {
    const reply = turnOf(state, message)?.replies.find((one) => one.reply === message.reply);
    if (reply?.spoken) say(`Agent: ${reply.spoken}${message.state === "interrupted" ? " (cut off)" : ""}`);
  }
}

// The call ----------------------------------------------------------------------------

function setCallState(next, why) {
  callState = next;
  showCallState(next, why);
  if (next === "in call") schedule();
}

const token = () => byId("token").value.trim();

/** Ask what runs here; the ICE servers come only to those who show the token. */
async function loadConfig() {
  const headers = token() ? { Authorization: `Bearer ${token()}` } : {};
  let response;
  try {
    response = await fetch("api/config", { cache: "no-store", headers });
    if (response.ok) config = await response.json();
  } catch (error) {
    return problem("unreachable", error.message);
  }
  if (!response.ok) {
    const { error } = await response.json().catch(() => ({}));
    return offerProblem(response.status, error);
  }
  byId("token-field").hidden = !config.token_required;
  showFacts(config, state.call);
  return null;
}

async function connect() {
  problems.clear();
  const trouble = !config || config.token_required ? await loadConfig() : null;
  if (trouble) return problems.show(trouble);
  if (config.token_required && !token()) {
    byId("token").focus();
    return problems.show(problem("no token"));
  }
  link = null;
  call = new Call({
    iceServers: config.ice_servers ?? [],
    token: config.token_required ? token() : "",
    speaker: byId("speaker"),
    openMicrophone: () => devices.open(),
    onstate: setCallState,
    onframe: (frame) => take(parse(frame)),
    onproblem: (found) => {
      for (const passing of ["unsteady", "silent"]) problems.dismiss(passing);
      if (found) problems.show(found);
    },
    onlink: (read) => {
      link = read;
      schedule();
    },
  });
  return call.start();
}

const active = () => call !== null && !call.over;

function toggleCall() {
  if (active()) call.hangUp();
  else connect();
}

// Controls ----------------------------------------------------------------------------

function showView({ live, window: seconds }) {
  const button = byId("pause");
  button.setAttribute("aria-pressed", String(!live));
  button.firstChild.textContent = live ? "Pause " : "Follow ";
  byId("zoom-in").disabled = seconds <= 3;
  byId("zoom-out").disabled = seconds >= 60;
}

const typing = (target) => target.closest?.("input, select, textarea") !== null;

function onKey(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const onNothing = event.target === document.body;
  if (event.key === "Escape" && active()) call.hangUp();
  else if (typing(event.target)) return;
  else if (event.key.toLowerCase() === "p") timeline.togglePause();
  else if ((event.key === " " || event.key === "Enter") && onNothing && !event.repeat) toggleCall();
  else return;
  event.preventDefault();
}

function setUpToken() {
  const field = byId("token");
  try {
    field.value = sessionStorage.getItem(TOKEN) ?? "";
  } catch {
    // storage is blocked: the token is typed again after a reload
  }
  field.addEventListener("input", () => {
    try {
      sessionStorage.setItem(TOKEN, field.value.trim());
    } catch {
      // as above
    }
  });
}

async function setUp() {
  setUpTheme(byId("theme"), address.get("theme"), () => timeline.recolor());
  setUpToken();
  byId("sound").open = matchMedia("(width >= 1180px)").matches;
  byId("settings").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!active()) connect();
  });
  const button = byId("connect");
  button.addEventListener("click", toggleCall);
  byId("pause").addEventListener("click", () => timeline.togglePause());
  byId("zoom-in").addEventListener("click", () => timeline.zoom(-1));
  byId("zoom-out").addEventListener("click", () => timeline.zoom(1));
  byId("diagnostics").addEventListener("click", ({ currentTarget }) => copyDiagnostics(currentTarget));
  byId("show-drafts").addEventListener("change", ({ target }) => {
    byId("words").classList.toggle("with-drafts", target.checked);
  });
  devices.onchange = () => { if (active()) call.replaceMicrophone(); };
  addEventListener("keydown", onKey);
  addEventListener("pagehide", () => call?.hangUp("the page was left"));
  render();
  const [trouble] = await Promise.all([loadConfig(), devices.list().catch(() => {})]);
  if (trouble?.code === "token") byId("token-field").hidden = false;
  if (trouble) problems.show(trouble);
  button.disabled = false;
  if (document.activeElement === document.body) button.focus({ preventScroll: true });
  document.documentElement.dataset.ready = "true";
  if (address.get("connect") === "1") connect();
}

setUp();
