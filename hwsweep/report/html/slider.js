// The pictures at one place of a slider; the arrow keys and touch move the handle, as of any range input.
for (const slider of document.querySelectorAll(".slider")) {
  const handle = slider.querySelector("input");
  const stops = [...slider.querySelectorAll(".stop")];
  const show = () => {
    stops.forEach((stop, index) => { stop.hidden = index !== Number(handle.value); });
    handle.setAttribute("aria-valuetext", stops[Number(handle.value)].dataset.title);
  };
  handle.addEventListener("input", show);
  slider.hidden = false;
  show();
}
