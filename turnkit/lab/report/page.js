for (const item of document.querySelectorAll(".case")) {
  const stage = item.querySelector(".stage"), head = item.querySelector(".playhead");
  const audio = item.querySelector("audio"), button = item.querySelector("button");
  const left = +stage.dataset.left, right = +stage.dataset.right, seconds = +stage.dataset.seconds;
  const play = (from) => {
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
    audio.currentTime = Math.max(0, Math.min(from, audio.duration || from));
    audio.play().catch(() => {}); // paused before it began
  };
  const draw = () => {
    head.style.display = "block";
    head.style.left = 100 * (left + (right - left) * audio.currentTime / seconds) + "%";
    if (!audio.paused) requestAnimationFrame(draw);
  };
  audio.addEventListener("play", draw);
  audio.addEventListener("seeked", draw);
  button.addEventListener("click", () => play(+button.dataset.start));
  stage.addEventListener("click", (event) => {
    const box = stage.getBoundingClientRect();
    const share = ((event.clientX - box.left) / box.width - left) / (right - left);
    if (share >= 0 && share <= 1) play(share * seconds);
  });
}
const list = document.getElementById("list");
if (list) {
  const turns = [...list.children], order = document.getElementById("order");
  const find = document.getElementById("find"), shown = document.getElementById("shown");
  const keys = {
    slow: (a, b) => b.dataset.ms - a.dataset.ms,
    fast: (a, b) => a.dataset.ms - b.dataset.ms,
    said: (a, b) => a.dataset.said - b.dataset.said,
  };
  const show = () => {
    const words = find.value.toLowerCase();
    let count = 0;
    for (const turn of turns.sort(keys[order.value])) {
      turn.hidden = !turn.textContent.toLowerCase().includes(words);
      count += !turn.hidden;
      list.append(turn);
    }
    shown.textContent = words ? `${count} of ${turns.length}` : "";
  };
  order.addEventListener("change", show);
  find.addEventListener("input", show);
}
