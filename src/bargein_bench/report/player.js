// The playhead follows the sound; a click in the lanes seeks; one player at a time is heard.
document.addEventListener(
  "play",
  (event) => {
    for (const other of document.querySelectorAll("audio")) if (other !== event.target) other.pause();
  },
  true,
);
for (const figure of document.querySelectorAll("figure[data-lasts]")) {
  const lasts = Number(figure.dataset.lasts);
  const audio = figure.querySelector("audio");
  const lanes = figure.querySelector("svg");
  const head = figure.querySelector(".playhead");
  const width = lanes.viewBox.baseVal.width;
  const place = () => {
    head.setAttribute("transform", `translate(${(Math.min(audio.currentTime / lasts, 1) * width).toFixed(1)} 0)`);
    head.classList.toggle("on", audio.currentTime > 0 || !audio.paused);
  };
  const follow = () => {
    place();
    if (!audio.paused) requestAnimationFrame(follow);
  };
  audio.addEventListener("play", follow);
  for (const kind of ["seeked", "timeupdate", "pause"]) audio.addEventListener(kind, place);
  lanes.addEventListener("click", (event) => {
    const box = lanes.getBoundingClientRect();
    audio.currentTime = ((event.clientX - box.left) / box.width) * lasts;
    audio.play();
  });
}
