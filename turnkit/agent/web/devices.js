/** Microphones: which there are, which one was chosen, and how its sound is treated. */
import { microphoneProblem, problem } from "./problems.js";

const CHOICE = "turnkit.microphone";
const PROCESSING = ["echoCancellation", "noiseSuppression", "autoGainControl"];

function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // storage is blocked: nothing is remembered, that is all
  }
}

function remember(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // as above
  }
}

export class Devices {
  /**
   * @param {HTMLSelectElement} select
   * @param {Record<string, HTMLInputElement>} toggles by the constraint they set
   * @param {boolean} processing false switches all of them off
   */
  constructor(select, toggles, processing) {
    this.select = select;
    this.toggles = toggles;
    this.onchange = () => {};
    for (const name of PROCESSING) {
      const kept = recall(`turnkit.${name}`);
      toggles[name].checked = processing && kept !== "off";
      toggles[name].addEventListener("change", () => {
        remember(`turnkit.${name}`, toggles[name].checked ? "on" : "off");
        this.onchange();
      });
    }
    select.addEventListener("change", () => {
      remember(CHOICE, select.value);
      this.onchange();
    });
    navigator.mediaDevices?.addEventListener?.("devicechange", () => this.list());
  }

  /** What getUserMedia is asked for. */
  constraints() {
    const audio = { channelCount: 1 };
    for (const name of PROCESSING) audio[name] = this.toggles[name].checked;
    if (this.select.value) audio.deviceId = { exact: this.select.value };
    return { audio, video: false };
  }

  /** Fill the list; names are known only once the microphone was allowed. */
  async list() {
    if (!navigator.mediaDevices?.enumerateDevices) return;
    const all = await navigator.mediaDevices.enumerateDevices();
    const found = all.filter((one) => one.kind === "audioinput" && one.deviceId);
    const chosen = this.select.value || recall(CHOICE) || "";
    const options = [new Option("System default", "")];
    found
      .filter((one) => !["default", "communications"].includes(one.deviceId))
      .forEach((one, i) => options.push(new Option(one.label || `Microphone ${i + 1}`, one.deviceId)));
    this.select.replaceChildren(...options);
    this.select.value = found.some((one) => one.deviceId === chosen) ? chosen : "";
  }

  /** Open the microphone; throws a problem (problems.js). */
  async open() {
    if (!navigator.mediaDevices?.getUserMedia) throw problem("insecure");
    try {
      const stream = await navigator.mediaDevices.getUserMedia(this.constraints());
      await this.list();
      return stream;
    } catch (error) {
      throw microphoneProblem(error);
    }
  }
}
