// The page: contents folded on a phone, figures that a tap enlarges, everything unfolded in print.
for (const contents of document.querySelectorAll("nav details")) {
  contents.open = !window.matchMedia("(max-width: 40rem)").matches;
}
for (const box of document.querySelectorAll("figure > div")) {
  const enlarge = () => box.classList.toggle("large");
  box.addEventListener("click", enlarge);
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter") enlarge();
  });
}
let folded = [];
window.addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  for (const each of folded) each.open = true;
});
window.addEventListener("afterprint", () => {
  for (const each of folded) each.open = false;
});
// On a dark page figures are inverted (style.css), but not the photographs in them: a canvas of these lies on top.
for (const figure of document.querySelectorAll("img[data-images]")) {
  const copy = () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [figure.naturalWidth, figure.naturalHeight];
    const paper = canvas.getContext("2d");
    for (const box of JSON.parse(figure.dataset.images)) {
      const [left, width] = [box[0], box[2]].map((share) => Math.round(share * canvas.width));
      const [top, height] = [box[1], box[3]].map((share) => Math.round(share * canvas.height));
      paper.drawImage(figure, left, top, width, height, left, top, width, height);
    }
    figure.parentElement.append(canvas);
    figure.classList.remove("fixed");
  };
  if (figure.complete) copy();
  else figure.addEventListener("load", copy);
}
