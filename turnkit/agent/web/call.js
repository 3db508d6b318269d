/**
 * One call over WebRTC: the microphone out, the agent's voice in, JSON messages on a data
 * channel beside them. Knows nothing of what the messages mean.
 */
import { watchLink } from "./link.js";
import { offerProblem, problem } from "./problems.js";
import { hangupMessage, linkMessage } from "./protocol.js";

/** Longest wait for ICE candidates before the offer is sent with those there are. */
const GATHERING_MS = 2000;
/** Longest wait for a connection once the server has answered. */
const CONNECTING_MS = 15_000;
/** How long a connection may be away before it counts as lost. */
const AWAY_MS = 8000;

/** Candidates gathered, or GATHERING_MS over. */
function gathered(connection) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, GATHERING_MS);
    const look = () => {
      if (connection.iceGatheringState !== "complete") return;
      clearTimeout(timer);
      resolve();
    };
    connection.addEventListener("icegatheringstatechange", look);
    look();
  });
}

export class Call {
  /**
   * @param {object} options
   * @param {RTCIceServer[]} options.iceServers
   * @param {string} options.token empty if the server wants none
   * @param {HTMLAudioElement} options.speaker plays the agent
   * @param {() => Promise<MediaStream>} options.openMicrophone throws a problem
   * @param {(state: string, why?: string) => void} options.onstate "asking", "connecting",
   *   "in call", "ended"
   * @param {(frame: string) => void} options.onframe a text frame of the data channel
   * @param {(problem: object|null) => void} options.onproblem null: it is over
   * @param {(link: object) => void} options.onlink what `link` reported
   */
  constructor(options) {
    this.options = options;
    this.connection = null;
    this.channel = null;
    this.stream = null;
    this.id = null;
    this.over = false;
    this.connected = false;
    this.timers = new Set();
    this.stopLink = () => {};
  }

  /** Connect; never throws: what goes wrong is told to `onproblem`. */
  async start() {
    try {
      this.options.onstate("asking");
      const stream = await this.options.openMicrophone();
      if (this.over) {
        for (const track of stream.getTracks()) track.stop();
        return;
      }
      this.stream = stream;
      this.options.onstate("connecting");
      this.#open();
      await this.#exchange();
    } catch (error) {
      if (this.over) return;
      this.#fail(error.title ? error : problem("unknown", String(error)));
    }
  }

  #open() {
    const connection = new RTCPeerConnection({ iceServers: this.options.iceServers });
    this.connection = connection;
    this.channel = connection.createDataChannel("turnkit", { ordered: true });
    this.channel.addEventListener("message", ({ data }) => this.over || this.options.onframe(data));
    this.channel.addEventListener("close", () => this.#closedByServer());
    const [track] = this.stream.getAudioTracks();
    track.addEventListener("ended", () => this.#fail(problem("no microphone")));
    connection.addTransceiver(track, { direction: "sendrecv", streams: [this.stream] });
    connection.addEventListener("track", (event) => this.#attach(event));
    connection.addEventListener("connectionstatechange", () => this.#connectionChanged());
  }

  /** The remote stream goes to an <audio> element first: Chromium plays it no other way. */
  #attach({ track, streams }) {
    const { speaker } = this.options;
    speaker.srcObject = streams[0] ?? new MediaStream([track]);
    speaker.play().catch((error) => {
      if (this.over || error.name !== "NotAllowedError") return;
      this.options.onproblem(problem("silent"));
      const retry = () => speaker.play().then(() => this.options.onproblem(null), () => {});
      for (const kind of ["pointerdown", "keydown"]) {
        addEventListener(kind, retry, { once: true });
      }
    });
  }

  async #exchange() {
    const { connection } = this;
    await connection.setLocalDescription();
    await gathered(connection);
    if (this.over) return;
    const answer = await this.#post();
    if (this.over) return this.#tellServer(answer.call);
    this.id = answer.call;
    await connection.setRemoteDescription({ type: answer.type, sdp: answer.sdp });
    this.#after(CONNECTING_MS, () => this.connected || this.#fail(problem("ice")));
  }

  async #post() {
    const { sdp, type } = this.connection.localDescription;
    let response;
    try {
      response = await fetch("api/offer", {
        method: "POST",
        headers: { "Content-Type": "application/json", ...this.#authorization() },
        body: JSON.stringify({ sdp, type }),
      });
    } catch (error) {
      throw problem("unreachable", error.message);
    }
    const body = await response.json().catch(() => ({}));
    if (!response.ok) throw offerProblem(response.status, body.error);
    return body;
  }

  #authorization() {
    return this.options.token ? { Authorization: `Bearer ${this.options.token}` } : {};
  }

  #connectionChanged() {
    const state = this.connection?.connectionState;
    if (this.over || !state) return;
    if (state === "connected") {
      if (this.connected) this.options.onproblem(null);
      else this.#begin();
    } else if (state === "disconnected") {
      this.options.onproblem(problem("unsteady"));
      this.#after(AWAY_MS, () => {
        if (this.connection?.connectionState !== "connected") this.#fail(problem("lost"));
      });
    } else if (state === "failed" || state === "closed") {
      this.#fail(problem(this.connected ? "lost" : "ice"));
    }
  }

  #begin() {
    this.connected = true;
    this.options.onstate("in call");
    this.stopLink = watchLink(this.connection, (link) => {
      this.options.onlink(link);
      if (this.channel?.readyState === "open") this.channel.send(linkMessage(link));
    });
  }

  /** The channel closes a moment before the connection does; a `bye` may have said why. */
  #closedByServer() {
    this.#after(300, () => this.#fail(problem("lost")));
  }

  /** Another microphone or other processing, without a new call. */
  async replaceMicrophone() {
    const sender = this.connection?.getSenders().find((one) => one.track?.kind === "audio");
    if (this.over || !sender) return;
    try {
      const stream = await this.options.openMicrophone();
      if (this.over) return stream.getTracks().forEach((track) => track.stop());
      const old = this.stream;
      this.stream = stream;
      const [track] = stream.getAudioTracks();
      track.addEventListener("ended", () => this.#fail(problem("no microphone")));
      await sender.replaceTrack(track);
      old.getTracks().forEach((one) => one.stop());
    } catch (error) {
      this.options.onproblem(error.title ? error : problem("unknown", String(error)));
    }
  }

  /** Hang up; `why` is shown. Works at any moment, twice too, and as the page goes. */
  hangUp(why = "you hung up") {
    if (this.over) return;
    if (this.channel?.readyState === "open") this.channel.send(hangupMessage());
    this.#tellServer(this.id);
    this.#close(why);
  }

  /** The agent said goodbye: nothing more to tell it. */
  ended(why) {
    if (!this.over) this.#close(why);
  }

  #tellServer(id) {
    if (!id) return;
    const options = { method: "DELETE", keepalive: true, headers: this.#authorization() };
    fetch(`api/calls/${encodeURIComponent(id)}`, options).catch(() => {});
  }

  #fail(why) {
    if (this.over) return;
    this.options.onproblem(why);
    this.#tellServer(this.id);
    this.#close(why.title[0].toLowerCase() + why.title.slice(1));
  }

  #after(ms, action) {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      if (!this.over) action();
    }, ms);
    this.timers.add(timer);
  }

  #close(why) {
    this.over = true;
    for (const timer of this.timers) clearTimeout(timer);
    this.stopLink();
    this.stream?.getTracks().forEach((track) => track.stop());
    this.connection?.close();
    this.options.speaker.srcObject = null;
    this.options.onstate("ended", why);
  }
}
