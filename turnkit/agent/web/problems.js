/** What can go wrong, in words, with what to do about it. */

const PROBLEMS = {
  insecure: [
    "The browser keeps the microphone from this page",
    "Microphones work on https:// addresses and on localhost only. Open the page by one of these.",
  ],
  "no microphone": [
    "No microphone was found",
    "Plug one in, or switch it on in the system's sound settings, then try again.",
  ],
  denied: [
    "The page may not use the microphone",
    "Allow it in the browser's site settings (the icon beside the address), then try again.",
  ],
  busy: [
    "The microphone cannot be read",
    "Another program may be holding it. Close that, or choose another microphone, then try again.",
  ],
  full: [
    "The server is full",
    "It takes no more calls, so that those it has keep their speed. Try again in a minute.",
  ],
  token: [
    "The server refused the token",
    "Enter the token that the operator of this server gave you, then try again.",
  ],
  "no token": [
    "This server wants a token",
    "Enter the token that its operator gave you, then press Enter.",
  ],
  origin: [
    "The server does not accept calls from this address",
    "Open the page by the address that the server names when it starts.",
  ],
  often: [
    "Too many calls from here",
    "The server takes only so many from one address. Wait a minute, then try again.",
  ],
  refused: [
    "The server refused the call",
    "Reload the page; if it happens again, hand the diagnostics to the operator.",
  ],
  unreachable: [
    "The server does not answer",
    "See whether it is running and the network is up, then try again.",
  ],
  ice: [
    "No way was found for the audio",
    "Page and server could not reach each other over UDP. A firewall or VPN may be in the way; " +
      "off this machine the server needs a TURN server (see the operations guide).",
  ],
  lost: [
    "The connection was lost",
    "The server stopped or the network went away. Connect again when it is back.",
  ],
  unsteady: [
    "The connection is unsteady",
    "Nothing came through for a moment; waiting for it to come back.",
  ],
  silent: [
    "The browser holds the agent's sound back",
    "Press any key or click anywhere on the page, and it will play.",
  ],
  stage: ["A part of the agent failed", "The call goes on where it can; say it again."],
  fatal: ["The agent had to end the call", "Connect again; if it fails again, hand on the diagnostics."],
  unknown: ["Something went wrong", "Try again; if it fails again, hand on the diagnostics."],
};

const STAGE_NAMES = {
  stt: "The speech recogniser failed",
  llm: "The language model failed",
  tts: "The voice failed",
  detector: "The turn detector failed",
  transport: "The audio connection failed",
  server: "The server failed",
};

/** A problem by its code, with details as they came. */
export function problem(code, detail = "") {
  const [title, advice] = PROBLEMS[code] ?? PROBLEMS.unknown;
  return { code: Object.hasOwn(PROBLEMS, code) ? code : "unknown", title, advice, detail };
}

/** The problem that getUserMedia's exception means. */
export function microphoneProblem(error) {
  const codes = {
    NotAllowedError: "denied",
    SecurityError: "denied",
    NotFoundError: "no microphone",
    OverconstrainedError: "no microphone",
    NotReadableError: "busy",
    AbortError: "busy",
  };
  return problem(codes[error?.name] ?? "unknown", error?.message ?? String(error));
}

/** The problem that an HTTP status of /api/offer means. */
export function offerProblem(status, detail = "") {
  const codes = { 401: "token", 403: "origin", 429: "often", 503: "full" };
  return problem(codes[status] ?? "refused", detail || `HTTP status ${status}`);
}

/** The problem that an `error` message of the agent means. */
export function stageProblem({ stage, text, fatal }) {
  const base = problem(fatal ? "fatal" : "stage", text);
  return { ...base, title: STAGE_NAMES[stage] ?? base.title, code: `${base.code} ${stage}` };
}
